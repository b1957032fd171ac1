"""Ids that a store can't have, in words.

What lives here: the sentences, and asking for them. What must not: which limits a store has.
"""

from __future__ import annotations

from ..errors import EncodeError, JobLookupError

_SHOWN = 40  # characters of an id in a message


class Ids:
    """What a store says of ids."""

    def _id_problem(self, job_id: str) -> str | None:
        """Why this store can't have a job of this id; None: it can."""
        return unwritable(job_id)

    def _check_id(self, job_id: str, kept: bool = False) -> None:
        """EncodeError: this store can't have a job of this id. JobLookupError: so it is not ``kept``."""
        problem = self._id_problem(job_id)
        if problem is not None:
            if kept:
                raise JobLookupError(job_id)
            raise EncodeError(f"id can't be stored: {problem}", "id")


def unwritable(job_id: str) -> str | None:
    """Why no store can have this id; None: it can be written."""
    if type(job_id) is str and not job_id.isascii():
        try:
            job_id.encode()
        except UnicodeEncodeError:
            return f"{shown(job_id)} contains lone surrogates"
    return None


def with_nul(job_id: str, database: str) -> str | None:
    """Why a database that takes no NUL in an id can't have this one."""
    if "\0" not in job_id:
        return None
    return f"{shown(job_id)} has a NUL, which {database} doesn't take in an id: give the job another one"


def too_long(job_id: str, length: int, most: int, unit: str, database: str) -> str | None:
    """Why an id of this length, in these units, is too long; None: it isn't."""
    if length <= most:
        return None
    return (
        f"{shown(job_id)} has {length} {unit}; in {database} an id may have {most} {unit}: give the job a "
        "shorter one, such as a hash of it"
    )


def shown(job_id: str) -> str:
    """An id as a message quotes it."""
    return repr(job_id) if len(job_id) <= _SHOWN else f"{job_id[:_SHOWN]!r}…"

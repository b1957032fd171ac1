"""Claims of runs in Redis, and hearing of what others changed.

Here: `RedisShared`, `RedisListener`. Not here: the scripts (`_redisclaims`); who claims what, and when
(`_scheduling.claims`).

What is taken is noted under the scheduler's id with a time until which others leave it alone, five seconds or the
lease; whoever is slower than that finds, when it claims, that some of it is gone. All keys begin with that of the
jobs, and so share its hash tag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import quote, unquote

from .._instants import SECOND_US
from .._serialization.rows import JobRow, RowChange, raw_id, seconds_around
from ._listening import LOOK_S, Listener
from ._redisclaims import BEGIN, CLAIM, CLAIM_SCRIPTS, JOIN, LEAVE, LET_GO, LOOK, TAKE, TAKE_OVER, WRITE
from ._redisrequests import RedisRequests
from ._redisscripts import change_args, id_of, row_from, text_of
from ._shared import (
    NOBODY,
    WAITING,
    ClaimRow,
    InLine,
    LeftRun,
    Look,
    Me,
    Peer,
    Refused,
    RunKey,
    RunRow,
    SharedRows,
)

HOLD_US = 5 * SECOND_US  # for which others leave alone what was taken
_OLDEST = 5  # scripts that ask for the time and write; older servers refuse them
_NOBODY = "-"  # as the scripts write it


class RedisShared(SharedRows):
    """The claims of a `RedisJobStore`, whether it is shared or somebody only looks."""

    def __init__(self, store: Any, options: dict[str, Any]) -> None:
        self._store, self._redis = store, store.redis
        jobs = store.jobs_key
        self.channel = f"{jobs}.news"
        self.schedulers_key, self.heard_key, self._runs, self._lost, self._owners, self._taken = (
            f"{jobs}.{name}" for name in ("schedulers", "heard", "runs", "runs.jobs", "runs.owners", "taken")
        )
        self._claim_keys = (
            self.schedulers_key,
            self.heard_key,
            self._runs,
            self._lost,
            self._owners,
            self._taken,
        )
        self._keys = (*store._keys[:5], self.channel, *self._claim_keys, *store._keys[-2:])
        self._scripts = {text: self._redis.register_script(text) for text in CLAIM_SCRIPTS}
        self._took: Me | None = None
        self.requests: RedisRequests = RedisRequests(store, self.channel)
        for name, value in options.items():
            setattr(self, name, value)

    def _call(self, script: str, *arguments: Any) -> Any:
        """All scripts may be sent twice, when an answer was lost."""
        return self._store._retried(lambda: self._scripts[script](keys=self._keys, args=arguments))

    def open(self) -> None:
        try:
            found = self._redis.info("server")
        except Exception:  # a user without the right to ask
            return
        if "redis_version" not in found:  # of each node of a cluster
            found = next((one for one in found.values() if isinstance(one, dict)), {})
        version = str(text_of(found.get("redis_version", "")))
        if version.partition(".")[0].isdigit() and int(version.partition(".")[0]) < _OLDEST:
            raise RuntimeError(
                f"a shared job store needs Redis {_OLDEST}.0 or newer, and this is {version}; use a newer server, or "
                "one scheduler with acknowledge='submit'"
            )

    def drop(self) -> None:
        """Remove the keys of claims."""
        self._redis.delete(*self._claim_keys, self.requests.key)

    # Who is there

    def join(self, me: Me) -> None:
        self._call(JOIN, me.id, me.epoch, me.pid, int(me.lease_s * SECOND_US), me.host or "?")

    def look(self, me: Me) -> Look:
        alive, now_us, peers, owners = self._members(me.id, me.epoch)
        return Look(alive, now_us, peers, list(owners))

    def peers(self) -> tuple[int, list[Peer]]:
        _, now_us, peers, owners = self._members("", 0)
        return now_us, [one._replace(running=owners.get((one.id, one.epoch), 0)) for one in peers]

    def _members(self, own_id: str, epoch: int) -> tuple[bool, int, list[Peer], dict[tuple[str, int], int]]:
        alive, now_us, members, heard, owners = self._call(LOOK, own_id, epoch)
        heard_us = {text_of(member): int(at) for member, at in _pairs(heard)}
        peers = []
        for member, row in _pairs(members):
            name = text_of(member)
            of_epoch, pid, started_us, lease_us, host = text_of(row).split(" ", 4)
            lease_s = int(lease_us) / SECOND_US
            peer = Peer(name, int(of_epoch), host, int(pid), int(started_us), heard_us.get(name, 0), lease_s)
            peers.append(peer)
        counts = {_owner(text_of(owner)): int(number) for owner, number in _pairs(owners)}
        return bool(alive), int(now_us), peers, counts

    def under_way(self, limit: int) -> list[tuple[str, int, str, int]]:
        found = [
            (owner, epoch, job_id, run.run_us)
            for job_id, (owner, epoch), run in self._all_runs()
            if owner != WAITING
        ]
        return sorted(found, key=lambda one: (one[3], one[2]))[:limit]

    def leave(self, me: Me) -> None:
        self._call(LEAVE, me.id, me.epoch)

    def has_news(self) -> frozenset[str]:
        names = [f"{_NOBODY} 0", f"{WAITING} 0"]
        found = self._store._retried(lambda: self._redis.hmget(self._owners, names))
        return frozenset(
            owner for owner, number in zip((NOBODY, WAITING), found, strict=True) if number is not None
        )

    # Taking and claiming

    def take(self, me: Me, until_us: int, limit: int) -> list[JobRow]:
        hold_us = min(HOLD_US, int(me.lease_s * SECOND_US))
        self._took = me
        found = self._call(TAKE, me.id, repr(seconds_around(until_us)[1]), limit, hold_us)
        if not found:
            self._took = None
        return [
            row_from(id_of(job_id), float(score), nominal, None, data)
            for job_id, score, nominal, data in zip(*[iter(found)] * 4, strict=True)
        ]

    def let_go(self) -> None:
        me, self._took = self._took, None
        if me is not None:
            self._call(LET_GO, me.id)

    def claim(self, me: Me, rows: Sequence[ClaimRow], others: Sequence[RowChange]) -> Refused | None:
        arguments: list[Any] = [me.id, me.epoch, len(rows)]
        changes = change_args([one.change for one in rows])
        for i, one in enumerate(rows):
            arguments += changes[6 * i : 6 * i + 6]
            group = "" if one.group is None else quote(one.group, "")
            arguments += (one.run_us, one.last_us, one.places, group, one.group_places)
            arguments += (one.waits, "1" if one.replaces else "", one.from_us)
        alive, *refused = self._call(CLAIM, *arguments, *change_args(others))
        self._took = None
        if not alive:
            return None
        gone, busy, waiting = (frozenset(map(id_of, ids)) for ids in refused[:3])
        return Refused(
            gone, busy, waiting, tuple((id_of(job_id), int(run_us)) for job_id, run_us in _pairs(refused[3]))
        )

    # Runs under way

    def write(self, me: Me, ended: Sequence[RunKey], left: Sequence[LeftRun]) -> Sequence[RunKey]:
        arguments: list[Any] = [me.id, me.epoch, len(ended)]
        for job_id, run_us in ended:
            arguments += (job_id, run_us)
        for (job_id, run_us), from_us, owner in left:
            whose = "" if owner is None else f"{_NOBODY if owner == NOBODY else owner} 0"
            arguments += (job_id, run_us, from_us, whose)
        self._call(WRITE, *arguments)
        return ()

    def take_over(self, me: Me, owner: str, epoch: int) -> list[RunRow]:
        found = self._call(TAKE_OVER, me.id, me.epoch, _NOBODY if owner == NOBODY else owner, epoch)
        return [
            RunRow(id_of(job_id), int(run_us), int(from_us), int(last_us), data)
            for job_id, run_us, from_us, last_us, data in zip(*[iter(found)] * 5, strict=True)
        ]

    def in_line(self) -> list[RunRow]:
        first: dict[str, int] = {}
        for job_id, (owner, _), run in self._all_runs():
            if owner == WAITING:
                first[job_id] = min(run.run_us, first.get(job_id, run.run_us))
        return sorted(self.read(list(first.items())), key=lambda run: (run.run_us, run.job_id))

    def begin(self, me: Me, rows: Sequence[InLine]) -> list[RunRow]:
        arguments: list[Any] = [me.id, me.epoch]
        for one in rows:
            group = "" if one.group is None else quote(one.group, "")
            arguments += (one.job_id, one.run_us, one.places, group, one.group_places)
        found = self._call(BEGIN, *arguments)
        return [
            RunRow(id_of(job_id), int(run_us), int(from_us), int(last_us), data, _group(text_of(group)))
            for job_id, run_us, from_us, last_us, data, group in zip(*[iter(found)] * 6, strict=True)
        ]

    def own(self, me: Me) -> list[RunKey]:
        mine = (me.id, me.epoch)
        return [(job_id, run.run_us) for job_id, owner, run in self._all_runs() if owner == mine]

    def _all_runs(self) -> Iterator[tuple[str, tuple[str, int], RunRow]]:
        """Job id, owner and run."""
        found = self._store._retried(lambda: self._redis.hgetall(self._runs))
        for job_id, lines in found.items():
            for owner, run in _runs(lines):
                yield id_of(job_id), owner, run

    def read(self, keys: Sequence[RunKey]) -> list[RunRow]:
        if not keys:
            return []
        ids = [raw_id(job_id) for job_id, _ in keys]
        under_way = self._store._retried(lambda: self._redis.hmget(self._runs, ids))
        found = []
        for (job_id, run_us), lines in zip(keys, under_way, strict=True):
            for _, run in _runs(lines or b""):
                if run.run_us == run_us:
                    data = None
                    if run.data is not None:
                        field = f"{run_us} ".encode() + _bytes(raw_id(job_id))
                        data = self._store._retried(lambda: self._redis.hget(self._lost, field))  # noqa: B023
                    found.append(run._replace(job_id=job_id, data=data))
        return found

    def listen(self, told: Callable[..., Any]) -> RedisListener:
        return RedisListener(self._redis, self.channel, told)

    def is_there(self) -> bool:
        """Whether somebody shares the store now."""
        return bool(self._redis.exists(self.schedulers_key))


def _pairs(flat: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(*[iter(flat)] * 2, strict=True)


def _owner(text: str) -> tuple[str, int]:
    name, epoch = text.split(" ")
    return NOBODY if name == _NOBODY else name, int(epoch)


def _bytes(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode()


def _runs(lines: Any) -> Iterator[tuple[tuple[str, int], RunRow]]:
    """Owner and run of each line; `data` is a mark only."""
    for line in text_of(lines).splitlines():
        run_us, name, epoch, from_us, last_us, flag = line.split(" ")
        data = b"" if flag[0] == "d" else None
        run = RunRow("", int(run_us), int(from_us), int(last_us), data, _group(flag[2:]))
        yield _owner(f"{name} {epoch}"), run


def _group(quoted: str) -> str | None:
    return unquote(quoted) if quoted else None


class RedisListener(Listener):
    """By pub/sub."""

    def _listen(self) -> None:
        subscription = self._source.pubsub()
        try:
            subscription.subscribe(self._channel)
            while not self._end.is_set():
                message = subscription.get_message(timeout=LOOK_S)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    self.hears.set()
                self._told()  # when it is heard of again too: of what came before
        finally:
            subscription.close()

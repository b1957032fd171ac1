"""What a trigger with `exclude=`, `windows=` and `spread=` has of them: properties, and parts of its texts and states.

What lives here: `LeavesOut`, which the triggers with a kernel and the combinations inherit. What must not: the
reading of the arguments (`_skipping`, loaded when somebody gives one), the search (the cellar's, and `combining`'s).

Data: `skips`, None for most triggers. Invariant: `skips` never changes, it is replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rapscheduler._engine.trigger import Skips


class LeavesOut:
    """A trigger that may leave out days and times of day; `skips` and `jitter` are the subclass's."""

    __slots__ = ()

    if TYPE_CHECKING:
        skips: Skips | None

        @property
        def jitter(self) -> float | None: ...

    def _leave_out(self, exclude: Any, windows: Any, spread: Any, seed: Any, after: Any = None) -> None:
        """Take the arguments that say what is left out, how jobs are spread, and what the next run counts from."""
        if not (exclude is None and windows is None and spread is None and seed is None and after is None):
            from rapscheduler.triggers._skipping import skips_of

            if spread is not None and not self.jitter:
                raise ValueError(f"spread={spread!r} spreads within the jitter; give jitter=600 or so, too")
            self.skips = skips_of(exclude, windows, spread, seed, after)  # type: ignore[misc]  # the slot is the subclass's

    def _left_out(self) -> tuple[Any, Any, Any, Any, Any]:
        """The arguments of `_leave_out` as they are."""
        return (None, (), None, None, None) if self.skips is None else self.skips.source

    @property
    def exclude(self) -> Any:
        """The days that are left out (`calendars.Days`), or None; what the argument may be can be assigned."""
        return self._left_out()[0]

    @exclude.setter
    def exclude(self, value: Any) -> None:
        _, windows, spread, seed, after = self._left_out()
        self._leave_out(() if value is None else value, windows, spread, seed, after)

    @property
    def windows(self) -> tuple[str, ...]:
        """The parts of a day in which it fires, empty for the whole day."""
        windows: tuple[str, ...] = self._left_out()[1]
        return windows

    @windows.setter
    def windows(self, value: Any) -> None:
        exclude, _, spread, seed, after = self._left_out()
        self._leave_out(exclude, value or (), spread, seed, after)

    @property
    def spread(self) -> str | None:
        """`"hash"`: the delay within the jitter follows from the seed, the job's id by default; None: chance."""
        spread: str | None = self._left_out()[2]
        return spread

    def _seeded(self, seed: str) -> Any:
        """A trigger like this one whose spread follows from a text, the job's id."""
        cls: Any = type(self)
        made = cls.__new__(cls)
        made.__setstate__({**cls.__getstate__(self), "seed": seed})
        return made


def left_out_text(trigger: LeavesOut) -> str:
    """For `explain`: what is left out, beginning with a comma; empty: nothing."""
    if trigger.skips is None:
        return ""
    from rapscheduler.triggers._skipping import skips_text

    return skips_text(trigger.skips)


def left_out_options(trigger: LeavesOut) -> list[str]:
    """For `repr`."""
    if trigger.skips is None:
        return []
    from rapscheduler.triggers._skipping import options_text

    return options_text(trigger.skips)


def left_out_state(trigger: LeavesOut) -> dict[str, Any]:
    """What a state has more because something is left out."""
    if trigger.skips is None:
        return {}
    from rapscheduler.triggers._skipping import state_of_skips

    return state_of_skips(trigger)


def take_left_out(trigger: LeavesOut, state: dict[str, Any]) -> None:
    """Take from a state what is left out."""
    trigger._leave_out(*map(state.get, ("exclude", "windows", "spread", "seed", "after")))

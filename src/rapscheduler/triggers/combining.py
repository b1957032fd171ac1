"""Triggers made of triggers: `AndTrigger` fires when all fire at one instant, `OrTrigger` when any does.

Here: the two classes, over anything that has `get_next_fire_time`. Not here: schedules of their own.

A trigger with a kernel (and a combination of such) is taken as a *set of instants*, which can be asked for its
first one from any instant on. So a combination never depends on which part of it fired last: an interval keeps its
grid from its start date, a date is not lost because something else fired before it. Other triggers are asked
`get_next_fire_time(previous, now)`, as APScheduler does. Instants are compared, in int64 µs.

What a combination itself leaves out (`skips`) goes by one clock, that of its first trigger's zone, whichever part
fires (`_open_times`). `spread` is of its own jitter; the spread of a part needs a seed, or it is chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, Literal, cast

from rapscheduler._engine.datetimes import from_us
from rapscheduler._engine.trigger import DateCore, TriggerCore
from rapscheduler._instants import MICROSECOND, SECOND_US
from rapscheduler.errors import HorizonError
from rapscheduler.triggers._kernel import jitter_to_us
from rapscheduler.triggers._left_out import (
    left_out_options,
    left_out_state,
    left_out_text,
    take_left_out,
)
from rapscheduler.triggers._open_times import LeavesOpen, clock_of, refuse_after_end
from rapscheduler.triggers._words import jitter_text
from rapscheduler.triggers.base import BaseTrigger, _instant_us, _moment, kernel_of, previous_by_bisection
from rapscheduler.util import obj_to_ref, ref_to_obj

__all__ = ("AndTrigger", "BaseCombiningTrigger", "OrTrigger")

#: How the state of a combination finds the classes it names. Who reads states of others puts a closed list here.
class_named: ContextVar[Callable[[str], Any]] = ContextVar("class_named", default=ref_to_obj)

_OUR_TRIGGERS = "rapscheduler.triggers."
_THEIR_TRIGGERS = "apscheduler.triggers."


def _next_us(trigger: Any, previous_us: int | None, now: datetime, now_us: int) -> int | None:
    """The nominal next fire time after the fire time before, in µs."""
    kernel = kernel_of(trigger)
    if previous_us is not None and (kernel is not None or isinstance(trigger, BaseCombiningTrigger)):
        return _first_us(trigger, previous_us + 1 if now_us >= previous_us else now_us, now)
    if kernel is not None:
        return kernel.next_fire_us(None, now_us)
    previous = None if previous_us is None else _moment(previous_us, now)
    moment = _nominal(trigger, previous, now)
    return None if moment is None else _instant_us(moment)


def _first_us(trigger: Any, from_us_: int, now: datetime) -> int | None:
    """The first nominal fire time at or after an instant, in µs."""
    fire_us: int | None
    kernel = kernel_of(trigger)
    if kernel is not None:
        fire_us = kernel.next_fire_us(None, from_us_)
    elif isinstance(trigger, BaseCombiningTrigger):
        fire_us = trigger._from_open(trigger._first_of_parts(from_us_, now), now)
    else:
        moment = _nominal(trigger, None, _moment(from_us_, now))
        fire_us = None if moment is None else _instant_us(moment)
    return fire_us if fire_us is not None and fire_us >= from_us_ else None


def _asker(trigger: Any, now: datetime) -> Callable[[None, int], int | None]:
    """`_first_us` of one trigger; of a kernel its own method, which says the same but for a date."""
    kernel = kernel_of(trigger)
    if kernel is not None and not isinstance(kernel, DateCore):
        return kernel.next_fire_us
    return lambda _, from_us_: _first_us(trigger, from_us_, now)


def _nominal(trigger: Any, previous: datetime | None, now: datetime) -> datetime | None:
    ask = trigger._next_nominal if isinstance(trigger, BaseTrigger) else trigger.get_next_fire_time
    moment: datetime | None = ask(previous, now)
    return moment


def _in_zone_of(trigger: Any, fire_us: int, now: datetime) -> datetime:
    """A fire time as a datetime in the zone of the trigger it belongs to."""
    if isinstance(trigger, TriggerCore):
        return from_us(fire_us, trigger.zone)
    if isinstance(trigger, BaseCombiningTrigger):
        return _in_zone_of(trigger.triggers[0], fire_us, now)
    zone = getattr(trigger, "timezone", None) or now.tzinfo
    return _moment(fire_us, now.astimezone(zone))


class BaseCombiningTrigger(LeavesOpen, BaseTrigger):
    """What both combinations share.

    :param triggers: the triggers to combine
    :param jitter: delay each fire time by a random 0 to `jitter` seconds
    :param exclude: days that are left out, as `calendars.days()` takes them: `["sat", "sun", "2026-12-24"]`, by the
        clock of the first trigger's zone
    :param windows: the parts of a day in which it fires, such as `["08:00-18:00"]` (the end is not in it)
    :param spread: `"hash"`: each job is late within the jitter by an amount that follows from its id
    :param seed: what that amount follows from instead of the id
    :raises TypeError: if an item is not a trigger
    :raises ValueError: if days, windows or a jitter make no sense, or there is no clock to leave them out by
    """

    __slots__ = ("jitter", "skips", "triggers")

    triggers: Sequence[Any]
    jitter: float | None

    # Not in `__init__`: states of before, and subclasses that fill it themselves, come without.
    def __new__(cls, *arguments: Any, **more: Any) -> Any:
        made = super().__new__(cls)
        made.skips = None
        return made

    def __init__(
        self,
        triggers: Iterable[Any],
        jitter: float | None = None,
        *,
        exclude: Any = None,
        windows: Any = None,
        spread: Literal["hash"] | None = None,
        seed: str | None = None,
    ) -> None:
        if isinstance(triggers, str) or not isinstance(triggers, Iterable):
            raise TypeError(
                f"triggers={triggers!r} is no list of triggers; write {type(self).__name__}([trigger, trigger])"
            )
        self.triggers = triggers if isinstance(triggers, (list, tuple)) else list(triggers)
        jitter_to_us(jitter)
        for index, trigger in enumerate(self.triggers):
            if not callable(getattr(trigger, "get_next_fire_time", None)):
                raise TypeError(
                    f"triggers[{index}] is {trigger!r}, not a trigger; give objects such as CronTrigger(hour=2)"
                )
            refuse_after_end(type(self).__name__, index, trigger)
        self.jitter = jitter
        self._leave_out(exclude, windows, spread, seed)
        if self._leaving() is not None:
            clock_of(self)

    def _dispatch_time(self, nominal: datetime, now: datetime) -> datetime:
        share = None if self.skips is None else self.skips.fixed_share
        if share is None or not self.jitter:
            return super()._dispatch_time(nominal, now)
        return _moment(_instant_us(nominal) + int(share * self.jitter * SECOND_US), nominal)

    def __eq__(self, other: object) -> bool:
        """Whether their parts, in this order, and all else are equal."""
        if type(self) is not type(other):
            return NotImplemented
        return self._given() == other._given()

    def _given(self) -> tuple[Any, ...]:
        return list(self.triggers), self.jitter, getattr(self, "horizon", None), self._left_out()

    def __hash__(self) -> int:
        return hash((type(self), len(self.triggers)))

    def __getstate__(self) -> dict[str, Any]:
        return {
            "version": 1,
            "triggers": [(obj_to_ref(type(trigger)), _state(trigger)) for trigger in self.triggers],
            "jitter": self.jitter,
            **left_out_state(self),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a state of ours or of APScheduler 3.x (whose trigger classes become ours).

        :raises ValueError: if the state is of a newer version
        """
        if state.get("version", 1) > 1:
            raise ValueError(
                f"Got serialized data for version {state['version']} of {type(self).__name__}, but only versions up to "
                "1 can be handled; upgrade rapscheduler to read it"
            )
        self.skips = None
        self.jitter = state["jitter"]
        self.triggers = [_restored(reference, inner) for reference, inner in state["triggers"]]
        take_left_out(self, state)

    def _late(self) -> str:
        """What the jitter of the combination itself, and what it leaves out, add to an explanation."""
        text = (jitter_text(self.jitter) if self.jitter else "") + left_out_text(self)
        if self._leaving() is not None:
            text += f", by the clock of {clock_of(self).tzinfo}"
        return f"; each{text}" if text else ""

    def _written(self) -> str:
        return ", ".join(str(trigger) for trigger in self.triggers)

    def __repr__(self) -> str:
        options = [str(self.triggers)] + ([f"jitter={self.jitter}"] if self.jitter else [])
        return f"<{type(self).__name__}({', '.join(options + left_out_options(self))})>"


def _state(trigger: Any) -> Any:
    """What `pickle` would save beside the class."""
    own = getattr(type(trigger), "__getstate__", None)
    if own is not None and own is not getattr(object, "__getstate__", None):
        return trigger.__getstate__()
    reduced = trigger.__reduce_ex__(2)
    return reduced[2] if len(reduced) > 2 else None


def _restored(reference: str, state: Any) -> Any:
    if reference.startswith(_THEIR_TRIGGERS):
        reference = _OUR_TRIGGERS + reference[len(_THEIR_TRIGGERS) :]
    cls = class_named.get()(reference)
    trigger = cls.__new__(cls)
    if hasattr(trigger, "__setstate__"):
        trigger.__setstate__(state)
        return trigger
    for part in state if isinstance(state, tuple) else (state,):  # the dictionary, and the slots
        for name, value in (part or {}).items():
            setattr(trigger, name, value)
    return trigger


class AndTrigger(BaseCombiningTrigger):
    """Fires at the instants at which all the triggers fire; has no more when one of them has none.

    The jitter of the triggers themselves does not count: jittered times would never meet.

    :param triggers: the triggers to combine
    :param jitter: delay each fire time by a random 0 to `jitter` seconds
    :param horizon: how far ahead to look for an instant they agree on (default: the class's `HORIZON`)
    :param exclude, windows, spread, seed: what is left out, and how jobs are spread over the jitter: see
        `BaseCombiningTrigger`
    :raises ValueError: if there is no trigger, or the horizon is not positive
    """

    __slots__ = ("horizon",)

    HORIZON: ClassVar[timedelta] = timedelta(days=40 * 366)
    """Long enough for 29 February to be a Monday, the year 2100 included."""
    MAX_ROUNDS: ClassVar[int] = 50_000
    """How many instants that not all agree on are looked at before giving up."""
    horizon: timedelta

    def __init__(
        self,
        triggers: Iterable[Any],
        jitter: float | None = None,
        *,
        horizon: timedelta | None = None,
        exclude: Any = None,
        windows: Any = None,
        spread: Literal["hash"] | None = None,
        seed: str | None = None,
    ) -> None:
        super().__init__(triggers, jitter, exclude=exclude, windows=windows, spread=spread, seed=seed)
        if not self.triggers:
            raise ValueError("AndTrigger([]) would fire always and never; give it one trigger or more")
        self.horizon = self.HORIZON if horizon is None else horizon
        if self.horizon <= timedelta(0):
            raise ValueError(f"horizon={horizon!r} looks nowhere; give a positive timedelta")

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """Return the next instant at which all triggers fire, in the zone of the first one.

        :raises HorizonError: if they agree on none within the horizon
        """
        nominal = self._next_nominal(previous_fire_time, now)
        return None if nominal is None else self._dispatch_time(nominal, now)

    def _next_nominal(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        now_us = _instant_us(now)
        previous_us = None if previous_fire_time is None else _instant_us(previous_fire_time)
        answers = [_next_us(trigger, previous_us, now, now_us) for trigger in self.triggers]
        fire_us = self._from_open(self._meet(answers, now), now)
        return None if fire_us is None else _in_zone_of(self.triggers[0], fire_us, now)

    def _first_of_parts(self, from_us_: int, now: datetime) -> int | None:
        return self._meet([_first_us(part, from_us_, now) for part in self.triggers], now)

    def _meet(self, answers: list[int | None], now: datetime) -> int | None:
        """Move each trigger up to the latest answer until all answers are one."""
        asks = [_asker(trigger, now) for trigger in self.triggers]
        first_us = 0
        for round_ in range(self.MAX_ROUNDS + 1):
            if None in answers:
                return None
            times_us = cast("list[int]", answers)
            latest_us = max(times_us)
            if min(times_us) == latest_us:
                return latest_us
            first_us = first_us if round_ else latest_us
            if latest_us - first_us > self.horizon // MICROSECOND:
                break
            answers = [
                time_us if time_us == latest_us else ask(None, latest_us)
                for ask, time_us in zip(asks, times_us, strict=True)
            ]
        raise self._disagree(first_us, latest_us, now)

    def _disagree(self, from_us_: int, until_us: int, now: datetime) -> HorizonError:
        utc = now.astimezone(timezone.utc)
        return HorizonError(
            f"the triggers of {self} agree on no time between {_moment(from_us_, utc)} and {_moment(until_us, utc)}; "
            "an interval counts from its start_date: give it one that the others can meet, such as "
            "start_date='2026-01-01 00:00:00', or look further with AndTrigger(…, horizon=timedelta(days=…))"
        )

    def get_previous_fire_time(self, before: datetime) -> datetime | None:
        """Return the last instant strictly before `before` at which all triggers fired.

        :raises HorizonError: if they agree on none within the horizon
        """
        return self._until_open(before)

    def _last_of_parts(self, before: datetime) -> datetime | None:
        start_us = before_us = _instant_us(before)
        for _ in range(self.MAX_ROUNDS):
            moments = [_previous_us(trigger, before_us, before) for trigger in self.triggers]
            times_us = [moment for moment in moments if moment is not None]
            if len(times_us) < len(moments):
                return None
            before_us = min(times_us) + 1
            if max(times_us) == min(times_us):
                return _in_zone_of(self.triggers[0], before_us - 1, before)
            if start_us - before_us > self.horizon // MICROSECOND:
                break
        raise self._disagree(before_us, start_us, before)

    def _why_never(self, now_us: int) -> str:
        return next((reason for trigger in self.triggers if (reason := _reason_of(trigger, now_us))), "")

    def explain(self, start: datetime | None = None) -> str:
        parts = "; and ".join(_explained(part, start) for part in self.triggers)
        return f"when all of these agree: {parts}{self._late()}"

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if self.horizon != self.HORIZON:
            state["horizon"] = self.horizon
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.horizon = state.get("horizon", self.HORIZON)

    def __str__(self) -> str:
        return f"and[{self._written()}]"


class OrTrigger(BaseCombiningTrigger):
    """Fires at every instant at which at least one of the triggers fires.

    :param triggers: the triggers to combine
    :param jitter: delay each fire time by a random 0 to `jitter` seconds, beside the jitter of the one that fires
    :param exclude, windows, spread, seed: what is left out, and how jobs are spread over the jitter: see
        `BaseCombiningTrigger`
    """

    __slots__ = ()

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """Return the earliest of the triggers' next fire times, in the zone of the one that fires."""
        nominal = self._next_nominal(previous_fire_time, now)
        return None if nominal is None else self._dispatch_time(nominal, now)

    def _next_nominal(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        winner, fire_us = self._earliest(previous_fire_time, now)
        if fire_us is None or self.skips is None:
            return None if fire_us is None else _in_zone_of(winner, fire_us, now)
        open_us = self._from_open(fire_us, now)
        if open_us is not None and open_us != fire_us:
            firing = (part for part in self.triggers if _first_us(part, open_us, now) == open_us)
            winner = next(firing, winner)
        return None if open_us is None else _in_zone_of(winner, open_us, now)

    def _first_of_parts(self, from_us_: int, now: datetime) -> int | None:
        parts = (_first_us(part, from_us_, now) for part in self.triggers)
        return min((part for part in parts if part is not None), default=None)

    def _dispatch_time(self, nominal: datetime, now: datetime) -> datetime:
        nominal_us = _instant_us(nominal)
        for trigger in self.triggers:
            if isinstance(trigger, BaseTrigger) and _first_us(trigger, nominal_us, nominal) == nominal_us:
                return super()._dispatch_time(trigger._dispatch_time(nominal, now), now)
        return super()._dispatch_time(nominal, now)

    def _earliest(self, previous_fire_time: datetime | None, now: datetime) -> tuple[Any, int | None]:
        """The trigger that fires first, and when."""
        now_us = _instant_us(now)
        previous_us = None if previous_fire_time is None else _instant_us(previous_fire_time)
        winner, earliest_us = None, None
        for trigger in self.triggers:
            fire_us = _next_us(trigger, previous_us, now, now_us)
            if fire_us is not None and (earliest_us is None or fire_us < earliest_us):
                winner, earliest_us = trigger, fire_us
        return winner, earliest_us

    def get_previous_fire_time(self, before: datetime) -> datetime | None:
        """Return the last instant strictly before `before` at which one of the triggers fired."""
        return self._until_open(before)

    def _last_of_parts(self, before: datetime) -> datetime | None:
        before_us = _instant_us(before)
        answers = [(_previous_us(trigger, before_us, before), trigger) for trigger in self.triggers]
        times = [(fire_us, trigger) for fire_us, trigger in answers if fire_us is not None]
        if not times:
            return None
        latest_us, winner = max(times, key=lambda answer: answer[0])
        return _in_zone_of(winner, latest_us, before)

    def _why_never(self, now_us: int) -> str:
        reasons = [_reason_of(trigger, now_us) for trigger in self.triggers]
        return " and ".join(dict.fromkeys(reasons)) if all(reasons) else ""

    def explain(self, start: datetime | None = None) -> str:
        parts = "; or ".join(_explained(part, start) for part in self.triggers)
        return f"{parts}{self._late()}" if parts else "never"

    def __str__(self) -> str:
        return f"or[{self._written()}]"


def _previous_us(trigger: Any, before_us: int, like: datetime) -> int | None:
    kernel = kernel_of(trigger)
    if kernel is not None:
        return kernel.previous_fire_us(before_us)
    moment: datetime | None
    if isinstance(trigger, BaseTrigger):
        moment = trigger.get_previous_fire_time(_moment(before_us, like))
    else:
        moment = previous_by_bisection(trigger.get_next_fire_time, _moment(before_us, like))
    return None if moment is None else _instant_us(moment)


def _reason_of(trigger: Any, now_us: int) -> str:
    """Why a part has no fire time; empty: it has one, or nobody knows."""
    return trigger._why_never(now_us) if isinstance(trigger, BaseTrigger) else ""


def _explained(trigger: Any, start: datetime | None) -> str:
    text = trigger.explain(start) if hasattr(trigger, "explain") else f"when {trigger} says so"
    return f"({text})" if isinstance(trigger, BaseCombiningTrigger) else text

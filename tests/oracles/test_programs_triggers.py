"""Triggers made, read, changed, pickled, subclassed and asked: as APScheduler's, away from zone changes.

What fire times are right at zone changes is the business of `test_walker`; here are only times at which
APScheduler is right as well.
"""

from __future__ import annotations

import copy
import pickle
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytz
from tests.oracles.differential import NOON, Package, Programs, Record, at, compare

programs = Programs()
BERLIN = ZoneInfo("Europe/Berlin")
START_ZONE = "the start and end date of a cron trigger"


def chain(trigger, now=NOON, count=12):
    """The first fire times, asked as the scheduler asks."""
    found, previous = [], None
    while len(found) < count:
        previous = trigger.get_next_fire_time(previous, now)
        found.append(previous)
        if previous is None:
            break
        now = max(now, previous)
    return found


CRON = [
    {},
    {"second": "*"},
    {"minute": "*/7"},
    {"hour": 3},
    {"hour": "2", "minute": "30"},
    {"day": "last"},
    {"day": "2nd fri", "hour": "9-17/4"},
    {"day": "last mon, 1"},
    {"day": "*/10"},
    {"day_of_week": "mon-fri", "hour": 8},
    {"day_of_week": 6},
    {"day_of_week": "0,2,sun"},
    {"week": "*/13"},
    {"week": 53},
    {"month": "jan-mar,dec", "day": 31},
    {"month": 2, "day": 29},
    {"year": "2026-2028", "month": "6"},
    {"year": 2020},
    {"year": "*/3", "day": "1st wed"},
    {"second": "59,0-3", "minute": 59, "hour": 23},
]


@programs()
def cron(ap: Package, out: Record) -> None:
    make = ap("triggers.cron:CronTrigger")
    for zone in ("UTC", "Europe/Berlin"):
        for fields in CRON:
            with at():
                trigger = make(**fields, timezone=zone)
                label = f"{fields} {zone}"
                out(label, trigger)
                out(
                    f"{label} fields",
                    [[f.name, str(f), f.is_default, type(f), repr(f)] for f in trigger.fields],
                )
                # repr() of a month by name is one month late there, and fails for December
                others = [field for field in trigger.fields if field.name != "month"]
                out(f"{label} expressions", [[[repr(e), str(e)] for e in f.expressions] for f in others])
                out(f"{label} chain", chain(trigger, count=8 if "week" not in fields else 3))
                micro = NOON + timedelta(microseconds=1)
                out(
                    f"{label} later",
                    [trigger.get_next_fire_time(None, micro), trigger.get_next_fire_time(NOON, micro)],
                )


@programs(
    {
        f"{{'start_date': {(NOON + timedelta(days=1, microseconds=5)).astimezone(BERLIN)!r}}}": START_ZONE,
        "zones*": START_ZONE,
    }
)
def cron_bounds(ap: Package, out: Record) -> None:
    make = ap("triggers.cron:CronTrigger")
    start, end = NOON + timedelta(days=1, microseconds=5), NOON + timedelta(days=2)
    for options in (
        {"start_date": start, "end_date": end},
        {"start_date": "2025-06-03 12:00:00", "end_date": "2025-06-04 12:00:00"},
        {"start_date": date(2025, 6, 3), "end_date": datetime(2025, 6, 4)},
        {"start_date": start.astimezone(BERLIN)},
        {"end_date": NOON - timedelta(1)},
        {"start_date": end, "end_date": start},
    ):
        trigger = make(hour="*/12", **{"timezone": "UTC", **options})
        out(
            f"{options}",
            [trigger, trigger.start_date, trigger.end_date, str(trigger.timezone), *chain(trigger)],
        )
    trigger = make(hour="*/12", start_date=start, timezone=pytz.timezone("Asia/Tokyo"))
    out("zones", trigger)
    out("zones chain", [trigger.start_date == start, *chain(trigger)])
    trigger = make(hour="*/12", end_date=NOON, timezone="Asia/Tokyo")
    out("zones of the end", trigger)
    out("end", [trigger.end_date == NOON, *chain(trigger)])


CRONTABS = [
    "* * * * *",
    "*/15 0 1,15 * *",
    "0 0 * * fri",
    "5 4 * jan-jun mon-fri",
    "0 22 * * *",
    "0 0 last * *",
]
BAD_CRONTABS = [
    "",
    "* * * *",
    "* * * * * *",
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * * 13 *",
    "* * * * 7",
]
BAD_CRONTABS += ["x * * * *", "*/0 * * * *", "5-3 * * * *", "* * * * fri-mon", "* * * foo *"]


@programs()
def crontab(ap: Package, out: Record) -> None:
    make = ap("triggers.cron:CronTrigger").from_crontab
    for line in CRONTABS:
        trigger = make(line, timezone="Europe/Berlin")
        out(line, [trigger, *chain(trigger)])
    out.attempts("bad", lambda line: make(line, "UTC"), BAD_CRONTABS)


@programs()
def interval(ap: Package, out: Record) -> None:
    make = ap("triggers.interval:IntervalTrigger")
    for options in (
        {},
        {"seconds": 5},
        {"minutes": 90},
        {"weeks": 1, "days": 1, "hours": 1, "minutes": 1, "seconds": 1},
        {"seconds": 2.5},
        {"hours": 1, "start_date": NOON - timedelta(hours=10, minutes=7)},
        {"hours": 1, "start_date": NOON + timedelta(hours=10)},
        {"hours": 6, "start_date": "2025-06-01", "end_date": "2025-06-03 12:00:00"},
        {"days": 1, "start_date": date(2025, 6, 1)},
        {"hours": 1, "end_date": NOON - timedelta(1)},
        {"hours": 1, "start_date": (NOON - timedelta(1)).astimezone(BERLIN), "timezone": "UTC"},
        {"minutes": 1, "jitter": 0},
    ):
        for zone in ("UTC", "Europe/Berlin"):
            with at():
                trigger = make(**{"timezone": zone, **options})
                out(f"{options} {zone}", [trigger, trigger.interval, trigger.interval_length])
                out(f"{options} {zone} dates", [trigger.start_date, trigger.end_date, str(trigger.timezone)])
                out(f"{options} {zone} chain", chain(trigger))


@programs({"without a start": "the first fire time of a calendar interval trigger"})
def calendar_interval(ap: Package, out: Record) -> None:
    make = ap("triggers.calendarinterval:CalendarIntervalTrigger")
    for options in (
        {"days": 1},
        {"weeks": 2, "hour": 13},
        {"months": 1, "start_date": "2025-08-31", "hour": 5},
        {"years": 1, "start_date": date(2024, 2, 29)},
        {"years": 1, "months": 2, "days": 3, "start_date": "2025-06-03", "minute": 4, "second": 5},
        {"days": 5, "end_date": "2025-06-20", "start_date": "2025-06-03"},
    ):
        for zone in ("UTC", "Europe/Berlin"):
            with at():
                options = {"start_date": "2025-06-03", **options, "timezone": zone}
                trigger = make(**options)
                out(f"{options}", [repr(trigger), trigger.years, trigger.months, trigger.weeks, trigger.days])
                out(
                    f"{options} more",
                    [trigger.start_date, trigger.end_date, trigger._time, str(trigger.timezone)],
                )
                if options["start_date"] != date(2024, 2, 29):
                    out(f"{options} chain", chain(trigger, count=5))
    with at(NOON):
        out("without a start", chain(make(days=1, hour=3, timezone="UTC"), count=3))


@programs()
def dates(ap: Package, out: Record) -> None:
    make = ap("triggers.date:DateTrigger")
    for run_date in (
        None,
        NOON,
        "2025-06-02",
        "2025-06-02 13:14:15",
        date(2025, 6, 2),
        datetime(2020, 1, 2, 3),
    ):
        for zone in ("UTC", "Europe/Berlin", None):
            if zone is None and run_date is not NOON:
                continue
            with at():
                trigger = make(run_date, zone)
                out(f"{run_date!r} {zone}", [trigger, trigger.run_date, chain(trigger, count=3)])
                out(
                    f"{run_date!r} {zone} later", trigger.get_next_fire_time(None, NOON + timedelta(days=500))
                )


@programs()
def combined(ap: Package, out: Record) -> None:
    cron_, interval_ = ap("triggers.cron:CronTrigger"), ap("triggers.interval:IntervalTrigger")
    and_, or_ = ap("triggers.combining:AndTrigger"), ap("triggers.combining:OrTrigger")
    parts = [cron_(hour="*/2", timezone="UTC"), cron_(hour="*/3", minute="*/30", timezone="UTC")]
    for cls in (and_, or_):
        trigger = cls(parts)
        out(f"{cls.__name__}", [trigger, len(trigger.triggers), trigger.jitter])
        # There And never finds a second fire time: it hangs.
        out(f"{cls.__name__} chain", chain(trigger, count=1 if cls is and_ else 12))
        out(f"{cls.__name__} jitter", repr(cls(parts, jitter=5)))
        out(f"{cls.__name__} tuple", str(cls(tuple(parts))))
        trigger.jitter = 3
        out(f"{cls.__name__} assigned", repr(trigger))
    ended = cron_(hour=1, end_date=NOON, timezone="UTC")
    out(
        "ended",
        [and_([parts[0], ended]).get_next_fire_time(None, NOON), *chain(or_([parts[0], ended]), count=3)],
    )
    with at():
        out("interval", chain(or_([interval_(hours=5, start_date=NOON, timezone="UTC")])))


@programs()
def assigned(ap: Package, out: Record) -> None:
    """The attributes are plain slots there: programs assign to them."""
    with at():
        trigger = ap("triggers.interval:IntervalTrigger")(hours=5, timezone="UTC")
        trigger.start_date = NOON + timedelta(minutes=1)
        out("interval start", [trigger, *chain(trigger)])
        trigger.end_date = NOON + timedelta(hours=10)
        out("interval end", [trigger, *chain(trigger)])
        trigger.jitter = 7
        out("interval jitter", [trigger, trigger.jitter])
        trigger.jitter, trigger.end_date = None, None
        trigger.interval, trigger.interval_length = timedelta(hours=2), 7200.0
        out("interval length", [trigger, trigger.interval, *chain(trigger)])
        trigger.timezone = BERLIN
        out("interval zone", [trigger, str(trigger.timezone)])

        trigger = ap("triggers.cron:CronTrigger")(hour="*/6", timezone="UTC")
        trigger.start_date = NOON + timedelta(days=1)
        trigger.end_date = NOON + timedelta(days=2)
        trigger.jitter = 9
        out("cron", [trigger, trigger.start_date, trigger.end_date, trigger.jitter])
        trigger.jitter = None
        out("cron chain", chain(trigger))
        trigger.start_date = trigger.end_date = None
        trigger.timezone = BERLIN
        out("cron zone", [trigger, *chain(trigger)])
        trigger.fields = ap("triggers.cron:CronTrigger")(minute=5, timezone="UTC").fields
        out("cron fields", [trigger, *chain(trigger)])

        trigger = ap("triggers.calendarinterval:CalendarIntervalTrigger")(
            days=1, start_date="2025-06-05", timezone="UTC"
        )
        trigger.start_date, trigger.end_date = date(2025, 7, 6), date(2025, 9, 8)
        out("calendar dates", [repr(trigger), *chain(trigger)])
        trigger.start_date, trigger.end_date = date(2025, 10, 6), date(2025, 12, 8)
        trigger.years, trigger.months, trigger.weeks, trigger.days, trigger.jitter = 0, 1, 1, 1, 4
        out("calendar counts", [repr(trigger), trigger.jitter])
        trigger.jitter = None
        trigger._time = time(4, 5, 6, tzinfo=timezone.utc)
        out("calendar chain", [trigger._time, *chain(trigger)])
        trigger.end_date = None
        trigger.timezone = BERLIN
        out("calendar zone", str(trigger.timezone))

        trigger = ap("triggers.date:DateTrigger")(NOON)
        trigger.run_date = NOON + timedelta(1)
        out("date", [trigger, *chain(trigger)])


def every_kind(ap: Package) -> list:
    cron_, interval_ = ap("triggers.cron:CronTrigger"), ap("triggers.interval:IntervalTrigger")
    return [
        cron_(
            hour="2",
            day="last fri",
            start_date="2025-01-01",
            end_date="2028-01-01",
            timezone="Europe/Berlin",
            jitter=3,
        ),
        interval_(minutes=7, start_date=NOON, end_date=NOON + timedelta(9), timezone="UTC", jitter=3),
        ap("triggers.calendarinterval:CalendarIntervalTrigger")(
            months=1,
            start_date="2025-06-03",
            end_date="2027-01-01",
            hour=3,
            timezone="Europe/Berlin",
            jitter=3,
        ),
        ap("triggers.date:DateTrigger")(NOON.astimezone(BERLIN)),
        ap("triggers.combining:OrTrigger")(
            [cron_(hour=1, timezone="UTC"), interval_(hours=1, start_date=NOON)], 3
        ),
        ap("triggers.combining:AndTrigger")([cron_(hour=1, timezone="UTC"), cron_(minute=0, timezone="UTC")]),
    ]


@programs(
    {
        "CronTrigger version": "the state of a pickled cron trigger",
        "CronTrigger newer": "the state of a pickled cron trigger",
    }
)
def pickled_and_copied(ap: Package, out: Record) -> None:
    for trigger in every_kind(ap):
        name = type(trigger).__name__
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            again = pickle.loads(pickle.dumps(trigger, protocol))
            out(f"{name} {protocol}", [again, again.jitter if name != "DateTrigger" else None])
        if name != "DateTrigger":
            again.jitter = None
        out(f"{name} chain", chain(again, count=1 if name == "AndTrigger" else 3))
        out(f"{name} copies", [copy.copy(trigger), copy.deepcopy(trigger)])
        state = trigger.__getstate__()
        out(f"{name} state", sorted(state))
        out(f"{name} version", state["version"])
        again = type(trigger).__new__(type(trigger))
        out.attempt(f"{name} newer", lambda t=again, s=state: t.__setstate__({**s, "version": 99}))
        out(f"{name} equal", [trigger != trigger, trigger == trigger])  # of two equal ones: ours to say
        out.attempt(f"{name} hash", lambda t=trigger: isinstance(hash(t), int))
        out.attempt(f"{name} surplus", lambda t=trigger: setattr(t, "colour", "red"))


@programs({"not beyond the end": "jitter at the end date"})
def jittered(ap: Package, out: Record) -> None:
    """Every answer lies in the bounds that APScheduler's lies in, and not all are the same."""
    with at():
        for trigger in (
            ap("triggers.cron:CronTrigger")(minute="*/5", timezone="UTC", jitter=30),
            ap("triggers.interval:IntervalTrigger")(minutes=5, start_date=NOON, timezone="UTC", jitter=30),
            ap("triggers.combining:OrTrigger")(
                [ap("triggers.cron:CronTrigger")(minute="*/5", timezone="UTC")], jitter=30
            ),
        ):
            moments = {trigger.get_next_fire_time(None, NOON + timedelta(seconds=1)) for _ in range(200)}
            nominal = NOON + timedelta(minutes=5)
            late = [(moment - nominal).total_seconds() for moment in moments]
            name = type(trigger).__name__
            out(name, [0 <= min(late) < 10, 20 < max(late) <= 30, len(moments) > 100])
            ends = ap("triggers.interval:IntervalTrigger")(
                minutes=5, start_date=NOON, end_date=NOON, timezone="UTC", jitter=9
            )
        out("not beyond the end", {ends.get_next_fire_time(None, NOON) for _ in range(20)})
        base = ap("triggers.base:BaseTrigger")
        out(
            "apply none",
            [base._apply_jitter(ends, None, 5, NOON), base._apply_jitter(ends, NOON, None, NOON)],
        )
        shifts = [(base._apply_jitter(ends, NOON, 10, NOON) - NOON).total_seconds() for _ in range(200)]
        out("apply", [min(shifts) >= 0, max(shifts) <= 10])


@programs()
def subclassed(ap: Package, out: Record) -> None:
    """Classes written to APScheduler's contracts."""
    base = ap("triggers.base:BaseTrigger")
    cron_ = ap("triggers.cron:CronTrigger")

    class Weekly(base):
        def __init__(self, weekday):
            self.weekday = weekday

        def get_next_fire_time(self, previous_fire_time, now):
            after = previous_fire_time or now
            return after + timedelta(days=(self.weekday - after.weekday() - 1) % 7 + 1)

    class Slotted(base):
        __slots__ = ("run_date",)

        def __init__(self, run_date):
            self.run_date = run_date

        def get_next_fire_time(self, previous_fire_time, now):
            return None if previous_fire_time else self.run_date

    class Nothing(base):
        pass

    class Workdays(cron_):
        def __init__(self, holidays=(), **options):
            super().__init__(day_of_week="mon-fri", **options)
            self.holidays = holidays

        def get_next_fire_time(self, previous_fire_time, now):
            moment = super().get_next_fire_time(previous_fire_time, now)
            while moment and moment.date() in self.holidays:
                moment = super().get_next_fire_time(moment, moment)
            return moment

    class Quiet(ap("triggers.interval:IntervalTrigger")):
        def get_next_fire_time(self, previous_fire_time, now):
            moment = super().get_next_fire_time(previous_fire_time, now)
            while moment and moment.hour < 14:
                moment = super().get_next_fire_time(moment, now)
            return moment

    class Odd(ap("triggers.cron.fields:BaseField")):
        def get_next_value(self, dateval):
            value = self.get_value(dateval)
            value += 1 - value % 2
            return value if value <= self.get_max(dateval) else None

    class OddMinutes(cron_):
        FIELDS_MAP = {**cron_.FIELDS_MAP, "minute": Odd}  # noqa: RUF012

    out.attempt("abstract", Nothing)
    out("weekly", chain(Weekly(4), count=4))
    out("slotted", chain(Slotted(NOON)))
    workdays = Workdays({date(2025, 6, 3), date(2025, 6, 6)}, hour=9, timezone="Europe/Berlin")
    out("workdays", [str(workdays), *chain(workdays, count=5)])
    out("quiet", chain(Quiet(minutes=50, start_date=NOON, timezone="UTC"), count=5))
    odd = OddMinutes(minute="*", timezone="UTC")
    out("odd", chain(odd, count=5))
    or_ = ap("triggers.combining:OrTrigger")([Weekly(4), workdays])
    out("combined", chain(or_, count=5))
    out("instances", [isinstance(workdays, base), issubclass(Workdays, cron_)])


@programs.parametrize()
def test_as_there(program, differs):
    compare(program, differs)

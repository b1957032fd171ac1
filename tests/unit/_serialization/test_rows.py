"""Job <-> row: times to the microsecond, callables found or refused, real triggers of every kind."""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta, timezone
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import apscheduler.triggers.cron
import apscheduler.triggers.date
import apscheduler.triggers.interval
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit._serialization.samples import Every, own_registry

from rapscheduler._serialization import triggers
from rapscheduler._serialization.codec import CallableRule
from rapscheduler._serialization.registry import register_type
from rapscheduler._serialization.rows import (
    NO_TIME_US,
    JobRow,
    find_callable,
    job_from_row,
    row_from_job,
    seconds_from_us,
    us_from_seconds,
)
from rapscheduler.errors import DecodeError, EncodeError
from rapscheduler.job import Job
from rapscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from rapscheduler.triggers.combining import AndTrigger, OrTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger

__all__ = ["own_registry"]

pytestmark = pytest.mark.usefixtures("own_registry")
SCHEDULER = SimpleNamespace(timezone=timezone.utc)
BERLIN = ZoneInfo("Europe/Berlin")
NOW_US = 1_767_225_600_000_000
MIN_US, MAX_US = -62135596800_000000, 253402300799_999999


def make_job(run_at_us=NOW_US, nominal_us=NOW_US, **values):
    job = Job(
        SCHEDULER,
        **(
            {
                "id": "j",
                "func": print,
                "trigger": Every(5),
                "args": (1,),
                "kwargs": {},
                "executor": "default",
                "misfire_grace_time": 1,
                "coalesce": True,
                "max_instances": 1,
            }
            | values
        ),
    )
    job._advance(run_at_us, nominal_us)
    return job


def there_and_back(job):
    return job_from_row(row_from_job(job), SCHEDULER, "shelf")


class TestTimes:
    @given(st.integers(MIN_US, MAX_US))
    @example(NOW_US + 1)
    @example(2**33 * 1_000_000 - 1)
    def test_seconds_stay_equal_whatever_the_year(self, time_us):
        seconds = seconds_from_us(time_us)
        assert seconds_from_us(us_from_seconds(seconds)) == seconds

    @given(st.integers(-(2**33) * 1_000_000 + 1, 2**33 * 1_000_000 - 1))
    def test_microseconds_are_exact_until_the_year_2242(self, time_us):
        assert us_from_seconds(seconds_from_us(time_us)) == time_us

    @pytest.mark.parametrize("early_us", [0, 1, 14])
    def test_the_last_instants_of_the_calendar_stay_in_it(self, early_us):
        seconds = seconds_from_us(MAX_US - early_us)
        assert us_from_seconds(seconds) == MAX_US
        assert seconds_from_us(MAX_US) == seconds

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), "soon", b"", [], {}])
    def test_what_is_no_time_is_told_apart(self, value):
        assert us_from_seconds(value) == NO_TIME_US

    @pytest.mark.parametrize("time_us", [NO_TIME_US, MIN_US - 1, MAX_US + 1, 10**300])
    def test_a_row_outside_the_calendar_cannot_be_read(self, time_us):
        row = row_from_job(make_job())
        with pytest.raises(DecodeError, match="years 1 and 9999"):
            job_from_row(row._replace(run_at_us=time_us), SCHEDULER, None)
        with pytest.raises(DecodeError, match="years 1 and 9999"):
            job_from_row(row._replace(nominal_us=time_us), SCHEDULER, None)

    def test_the_nominal_time_is_written_only_when_it_differs(self):
        assert row_from_job(make_job(5, 5)).nominal_us is None
        assert row_from_job(make_job(5, 3)).nominal_us == 3
        assert there_and_back(make_job(5, 3)).nominal_us == 3
        assert there_and_back(make_job(5, 5)).nominal_us == 5

    def test_an_id_that_is_no_text_for_a_database_is_refused(self):
        with pytest.raises(EncodeError, match="id can't be stored"):
            row_from_job(make_job(id="\ud800"))

    def test_a_paused_job_stays_paused(self):
        assert there_and_back(make_job(None, None)).next_run_time is None

    def test_the_zone_of_a_foreign_triggers_run_time_is_kept(self):
        job = make_job()
        job.next_run_time = datetime(2026, 5, 1, 12, tzinfo=BERLIN)
        assert there_and_back(job).next_run_time.tzinfo is BERLIN


TRIGGERS = [
    DateTrigger(datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)),
    IntervalTrigger(days=3, seconds=0.000001, start_date="2026-01-01 00:00:00", timezone=BERLIN, jitter=1.5),
    IntervalTrigger(hours=1, end_date="2027-01-01", timezone="UTC"),
    CalendarIntervalTrigger(years=1, months=2, weeks=3, days=4, hour=5, minute=6, second=7, timezone=BERLIN,
                            start_date=date(2026, 2, 28), end_date=date(2030, 1, 1), jitter=9),
    CalendarIntervalTrigger(days=1, start_date=date(2026, 2, 28), timezone="UTC"),
    CronTrigger(timezone="UTC"),
    CronTrigger(second="*/5", timezone=BERLIN, start_date="2026-01-01", end_date="2026-12-31", jitter=3),
    CronTrigger(day="last", hour="1-5/2", dst="both", timezone="America/New_York"),
    CronTrigger(hour=2, minute=30, dst="shift", timezone="America/New_York"),
    CronTrigger.from_crontab("0 22-2 1,15 * fri-mon", timezone=BERLIN, dialect="vixie"),
    CronTrigger.from_crontab("0 0 12 ? * 6#3 2026-2030", timezone=BERLIN, dialect="quartz"),
    CronTrigger.from_crontab("0 0 LW * *", timezone=BERLIN, dialect="vixie"),
    AndTrigger([CronTrigger(hour=2, timezone="UTC"), CronTrigger(day_of_week="mon", hour=2, timezone="UTC")],
               horizon=timedelta(days=9)),
    OrTrigger([CronTrigger(hour=2, timezone="UTC"), AndTrigger([Every(5)], jitter=2)], jitter=1),
]  # fmt: skip


class TestTriggers:
    @pytest.mark.parametrize("trigger", TRIGGERS, ids=str)
    def test_every_kind_comes_back_as_it_was(self, trigger):
        again = there_and_back(make_job(trigger=trigger)).trigger
        assert type(again) is type(trigger)
        assert repr(again) == repr(trigger)
        # written again it is the same row: nothing was lost that rows hold
        assert row_from_job(make_job(trigger=again)).data == row_from_job(make_job(trigger=trigger)).data

    def test_jobs_do_not_share_a_trigger(self):
        row = row_from_job(make_job(trigger=CronTrigger(hour=2, timezone="UTC")))
        first, second = (job_from_row(row, SCHEDULER, None).trigger for _ in range(2))
        first.jitter = 5
        assert second.jitter is None

    @pytest.mark.parametrize(
        "node",
        [
            {"type": "cron", "hour": "25"},
            {"type": "cron", "hours": "2"},
            {"type": "cron", "timezone": "../../etc/passwd"},
            {"type": "cron", "timezone": 5},
            {"type": "interval", "seconds": -1e308},
            {"type": "interval", "seconds": "x"},
            {"type": "date", "run_date": {"$datetime": "x"}},
            {"type": "calendarinterval"},
            {"type": "and"},
            {"type": "and", "triggers": []},
            {"type": "or", "triggers": [5]},
            {"type": "or", "triggers": {"a": 1}},
            {"type": "antigravity:geohash", "state": {}},
        ],
        ids=str,
    )
    def test_a_hostile_trigger_gets_the_one_error(self, node):
        with pytest.raises(DecodeError):
            triggers.unpack_trigger(node)

    def test_triggers_nested_too_deeply_are_refused_both_ways(self):
        trigger, node = CronTrigger(timezone="UTC"), {"type": "cron"}
        for _ in range(80):
            trigger, node = OrTrigger([trigger]), {"type": "or", "triggers": [node]}
        with pytest.raises(EncodeError, match="nested"):
            row_from_job(make_job(trigger=trigger))
        with pytest.raises(DecodeError, match="nested"):
            triggers.unpack_trigger(node)

    def test_a_trigger_inside_another_is_named_in_the_error(self):
        class Other(Every):
            pass

        with pytest.raises(EncodeError) as caught:
            row_from_job(make_job(trigger=OrTrigger([Every(1), AndTrigger([Other(2)])])))
        assert caught.value.path == "trigger.triggers[1].triggers[0]"

    @pytest.mark.parametrize(
        "trigger",
        [
            apscheduler.triggers.interval.IntervalTrigger(hours=1),
            apscheduler.triggers.cron.CronTrigger(hour=1),
            apscheduler.triggers.date.DateTrigger(),
        ],
        ids=lambda trigger: type(trigger).__name__,
    )
    def test_a_trigger_of_apscheduler_is_refused_with_the_import_to_change(self, trigger):
        room = type(trigger).__module__
        with pytest.raises(EncodeError, match=f"import it from r{room}, or call") as caught:
            row_from_job(make_job(trigger=OrTrigger([trigger])))
        assert caught.value.path == "trigger.triggers[0]"

    def test_a_class_registered_under_the_name_of_ours_is_refused(self, own_registry):
        class Mine(Every):
            pass

        register_type(Mine, name="cron")
        with pytest.raises(EncodeError, match=r"has the name of .* 'cron'; call .*name="):
            row_from_job(make_job(trigger=Mine(1)))

    def test_a_trigger_that_an_installed_package_declares_needs_no_registration(self, monkeypatch):
        class Declared(Every):
            pass

        monkeypatch.setattr(sys.modules[__name__], "Declared", Declared, raising=False)
        Declared.__qualname__ = "Declared"
        point = EntryPoint("declared", f"{__name__}:Declared", "apscheduler.triggers")

        def entry_points(group, name="declared"):
            return [point] if group == point.group and name == point.name else []

        monkeypatch.setattr(triggers, "entry_points", entry_points)
        monkeypatch.setattr(EntryPoint, "load", lambda self: Declared)
        again = there_and_back(make_job(trigger=Declared(7))).trigger
        assert type(again) is Declared
        assert again.seconds == 7


class Mailer:
    def send(self):
        pass

    @classmethod
    def sweep(cls):
        pass

    value = 5


class TestCallables:
    def test_functions_methods_of_classes_and_builtins_are_found(self):
        for reference in ("builtins:print", f"{__name__}:Mailer", f"{__name__}:Mailer.sweep", "os.path:join"):
            assert callable(find_callable(reference))

    @pytest.mark.parametrize("reference", ["nowhere.at.all:x", "os:nothing", "os:path", "os:environ.get.x"])
    def test_a_missing_one_gets_the_one_error_with_its_name(self, reference):
        with pytest.raises(DecodeError) as caught:
            find_callable(reference)
        assert reference in str(caught.value)

    def test_a_module_that_fails_to_import_gets_the_one_error(self, tmp_path, monkeypatch):
        (tmp_path / "module_that_breaks.py").write_text("1 / 0")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(DecodeError, match="module_that_breaks:x"):
            find_callable("module_that_breaks:x")

    def test_a_bound_method_takes_its_object_along(self, own_registry):
        from rapscheduler import register_type

        register_type(Mailer, encode=lambda value: None, decode=lambda content: Mailer())
        job = there_and_back(make_job(func=Mailer().send, args=()))
        assert job.func is Mailer.send
        assert isinstance(job.args[0], Mailer)

    def test_the_object_of_a_bound_method_is_named_in_the_error(self):
        with pytest.raises(EncodeError) as caught:
            row_from_job(make_job(func=Mailer().send, args=()))
        assert caught.value.path == "func.__self__"

    def test_a_callable_without_a_name_is_refused_with_apschedulers_words(self):
        with pytest.raises(ValueError, match="textual reference"):
            row_from_job(make_job(func=lambda: None, args=()))

    def test_refused_ones_are_not_imported(self):
        sys.modules.pop("antigravity", None)
        row = row_from_job(make_job())
        data = row.data.replace(b"builtins:print", b"antigravity:x")
        with pytest.raises(DecodeError, match="allowed_callables"):
            job_from_row(JobRow("j", None, None, None, data), SCHEDULER, None, CallableRule(["myapp:*"]))
        assert "antigravity" not in sys.modules

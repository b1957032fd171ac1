"""What others wrote, in our output: on one line, and without passwords."""

from __future__ import annotations

import logging
import pickle
import time

import pytest

from rapscheduler._quoting import masked, one_line, said, secrets_in, short, shortened
from rapscheduler.job import Job
from rapscheduler.jobstores.base import park_reason
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.schedulers.background import BackgroundScheduler

BREAKS = [
    "\n",
    "\r",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\x1b[2J",
    "\x00",
    "\x7f",
    "\x9b",
    "\u202e",
]
BREAKS += ["\ud800", "\b"]


class TestOneLine:
    @pytest.mark.parametrize("mark", BREAKS)
    def test_what_is_not_printable_is_written_as_python_writes_it(self, mark):
        text = one_line(f"a{mark}b")
        assert text.splitlines() == [text] and "\x1b" not in text and text[0] + text[-1] == "ab"
        assert text.encode("utf-8")

    @pytest.mark.parametrize(
        "text", ["", "nightly report", "Übersicht", "夜間\u3000集計", "naïve\u00a0name", "👩\u200d🚀"]
    )
    def test_text_of_people_stays_as_it_is(self, text):
        assert one_line(text) == text

    def test_a_normal_name_is_the_same_object(self):
        name = "nightly report"
        assert one_line(name) is name


SECRET = "S3cr3t"
WITH_SECRETS = [
    f"postgresql+psycopg://app:{SECRET}@db:5432/jobs",
    f"redis://:{SECRET}@db/0",
    f"rediss://{SECRET}@db/0",
    f"postgresql://app:a/{SECRET}@db/jobs",
    f"postgresql://app:a@{SECRET}@db/jobs",
    f"postgresql://app:a b{SECRET}@db/jobs",
    f"postgresql://app:{SECRET}",
    f"postgres//app:{SECRET}@db/jobs",
    f"app:{SECRET}@db/jobs",
    f"one=pg://u:{SECRET}@a,two=redis://:{SECRET}@b",
    *(
        f"sqlite:///jobs.db?{name}={SECRET}&x=1"
        for name in ("password", "passwd", "sslpassword", "PWD", "token")
    ),
    f"host=db user=app password={SECRET} dbname=jobs",
    f"host=db password='a {SECRET}\\' b' dbname=jobs",
    f"host=db password = {SECRET}",
    f"DRIVER={{x}};UID=app;PWD={{{SECRET};}};",
    f"{{'password': '{SECRET}', 'user': 'app'}}",
    f'{{"passwd":"{SECRET}"}}',
    f"connect(user='app', password='{SECRET}')",
    f"PGPASSWORD={SECRET} psql",
]


class TestMasked:
    @pytest.mark.parametrize("text", WITH_SECRETS)
    def test_no_password_is_left(self, text):
        for shown in (masked(text), said(ValueError(text)), park_reason("it failed: ", OSError(text))):
            assert SECRET not in shown and "***" in shown

    @pytest.mark.parametrize("text", WITH_SECRETS)
    def test_what_is_masked_once_stays_so(self, text):
        assert masked(masked(text)) == masked(text)

    @pytest.mark.parametrize(
        "text",
        [
            "mongodb://h1:27017,h2:27017/jobs",
            "http://[::1]:8080/x",
            "sqlite:////srv/jobs.db",
            "redis://localhost:6379/0",
            'password authentication failed for user "app"',
            "Access denied for user 'app'@'db' (using password: YES)",
            "its callable 'myapp.tasks:send' can't be found (No module named 'myapp')",
            "see https://example.org/a:b for more",
        ],
    )
    def test_text_without_a_password_stays_as_it_is(self, text):
        assert masked(text) == text

    @pytest.mark.parametrize(
        "word", ["pg://u:S3%63r3t@h/x", "pg://h/x?user=u&password=S3%63r3t", "password=S3%63r3t"]
    )
    def test_the_secrets_of_a_word_are_known_as_written_and_as_read(self, word):
        assert {"S3%63r3t", SECRET} <= set(secrets_in(word))

    def test_a_known_secret_is_masked_wherever_it_is(self):
        assert masked(f"so {SECRET} it is", {SECRET}) == "so *** it is"

    def test_a_long_text_that_is_cut_shows_no_half_of_a_url(self):
        text = "x" * 4990 + f"pg://u:{SECRET}@h " + "y" * 9000 + f" pg://user:{SECRET}@host" + "z" * 4990
        assert SECRET not in said(text)

    def test_the_repr_of_a_store_has_no_password(self):
        store = SQLAlchemyJobStore(f"sqlite:///nofile.db?vfs=unix&password={SECRET}", sqlite_wal=False)
        assert SECRET not in repr(store) and "nofile.db" in repr(store)


class Broken(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class TestSaid:
    def test_an_exception_that_says_nothing_has_its_class(self):
        assert said(Broken()) == "<Broken>"

    def test_its_length_is_bounded(self):
        assert len(said("a" * 10_000_000)) < 20_000

    def test_a_value_is_said_without_walking_it(self):
        value = ()
        for _ in range(60):
            value = (value, value)
        assert short(value) == "<tuple>"
        assert short(10**5000).startswith("<int of")
        assert len(short("a" * 10**6)) < 200


@pytest.fixture
def lines():
    """The lines that were logged, as a file would have them."""
    texts = []

    class Lines(logging.Handler):
        def emit(self, record):
            texts.append(f"INFO {record.getMessage()}")

    handler, root = Lines(), logging.getLogger("rapscheduler")
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield texts
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("mark", BREAKS[:-2])
def test_no_name_or_id_begins_a_log_line(lines, mark, tmp_path):
    name, job_id = f"name{mark}CRITICAL forged", f"id{mark}CRITICAL forged"
    url = f"sqlite:///{tmp_path}/jobs.sqlite"
    with BackgroundScheduler(timezone="UTC", jobstores={"default": SQLAlchemyJobStore(url)}) as scheduler:
        scheduler.add_job(time.sleep, "interval", hours=1, args=[0], name=name, id=job_id, executor="none")
        scheduler.remove_job(job_id)
        scheduler.add_job(time.sleep, "cron", year=2000, args=[0], name=name, id=job_id)
    assert any("CRITICAL forged" in text for text in lines)
    for text in lines:
        assert len(text.splitlines()) == 1 and "\x1b" not in text


@pytest.mark.parametrize("mark", BREAKS)
def test_a_job_says_itself_on_one_line(mark):
    with BackgroundScheduler(timezone="UTC") as scheduler:
        job = scheduler.add_job(time.sleep, "interval", hours=1, args=[0], name=f"a{mark}b", id=f"c{mark}d")
        for text in (str(job), repr(job)):
            assert text.splitlines() == [text]
        assert (job.name, job.id) == (f"a{mark}b", f"c{mark}d")
        assert pickle.loads(pickle.dumps(job)).name == job.name
        assert type(job) is Job


@pytest.mark.parametrize(
    ("text", "most", "short_text"),
    [("abc", 3, "abc"), ("", 0, ""), ("abcdef", 5, "ab…ef"), ("abcdefgh", 4, "a…gh"), ("abcdef", 2, "…f")],
)
def test_the_middle_of_a_long_text_is_left_out(text, most, short_text):
    assert shortened(text, most) == short_text
    assert len(shortened(text, most)) <= most

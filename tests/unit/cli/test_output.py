"""No command prints a password that was typed, in whatever form and whoever quotes it."""

from __future__ import annotations

import sys
import warnings

import pytest

from rapscheduler import cli
from rapscheduler.cli._output import secrets_hidden

READ = "S3cr3t/@x"
URLS = [
    "postgresql+psycopg://app:S3cr3t%2F%40x@127.0.0.1:1/x",
    "redis://:S3cr3t%2F%40x@127.0.0.1:1/0",
    "etcd://me:S3cr3t%2F%40x@127.0.0.1:1/jobs",
    "rethinkdb://me:S3cr3t%2F%40x@127.0.0.1:1/jobs",
    "sqlite:///nofile.db?password=S3cr3t%2F%40x",
    "nothing://127.0.0.1/x?user=u&passwd=S3cr3t%2F%40x",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize(
    "words",
    [
        ["parked"],
        ["parked", "sqlalchemy", "url="],
        ["parked", "--nonsense="],
        ["migrate"],
        ["migrate", "x://", ""],
    ],
)
def test_a_password_is_not_printed(words, url, capfd):
    *first, last = words
    words = [*first, last + url] if len(words) > 1 else [last, url]
    try:
        assert cli.main(words) != 0
    except SystemExit as end:
        assert end.code
    shown = "".join(capfd.readouterr())
    assert shown
    assert "S3cr3t" not in shown


def test_what_warnings_and_tracebacks_quote_is_hidden_too(capsys):
    with pytest.raises(SystemExit), secrets_hidden([f"pg://app:{READ}@h/x"]):
        sys.stderr.writelines([f"a {READ}\n", "b\n"])
        print(warnings.formatwarning(f"so {READ}", UserWarning, "a.py", 1), file=sys.stderr)
        raise RuntimeError(f"it was {READ}")
    shown = capsys.readouterr().err
    assert "S3cr3t" not in shown and "RuntimeError: it was ***" in shown and "b\n" in shown


def test_the_streams_are_their_own_again(capsys):
    before = sys.stdout, sys.stderr
    with pytest.raises(KeyboardInterrupt), secrets_hidden(["password=long enough"]):
        raise KeyboardInterrupt
    assert (sys.stdout, sys.stderr) == before

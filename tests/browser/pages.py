"""What the tests in Chromium share: whether there is one, waiting for a page, the jobs that are shown.

Needs Debian's chromium and chromium-driver, and selenium. RAPSCHEDULER_REQUIRE_BROWSER: without them it fails.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rapscheduler import current_run
from rapscheduler.schedulers.background import BackgroundScheduler

MISSING = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
try:
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait
except ImportError:
    MISSING.append("selenium")
if MISSING and not os.environ.get("RAPSCHEDULER_REQUIRE_BROWSER"):
    pytest.skip(f"no {' and no '.join(MISSING)} here", allow_module_level=True)

__all__ = (
    "GO",
    "HOSTILE",
    "RUNS",
    "By",
    "Keys",
    "press",
    "screen",
    "scheduler_with_jobs",
    "text",
    "unhappy",
    "until",
    "work",
)

HOSTILE = "\"><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
RUNS: list[str] = []
GO = threading.Event()


def work(name: str) -> None:
    RUNS.append(name)


def work_for_long() -> None:
    run = current_run()
    assert run is not None
    while not GO.wait(0.02):
        run.check()


def fail() -> None:
    raise ConnectionError("the mail server does not answer")


def scheduler_with_jobs() -> Any:
    """One that is started; `GO` lets its long job end."""
    one = BackgroundScheduler(timezone="Europe/Berlin", history="memory")
    one.add_job(
        work,
        "cron",
        hour=7,
        minute=30,
        day_of_week="mon-fri",
        args=["report"],
        id="sales-report",
        name="Sales report",
    )
    one.add_job(work, "cron", hour=2, minute=30, args=["backup"], id="backup", name="Nightly backup")
    one.add_job(work, "interval", minutes=5, args=["stock"], id="stock", name="Stock levels")
    one.add_job(fail, "interval", hours=1, id="newsletter", name="Newsletter")
    one.add_job(work_for_long, "cron", year=2099, id="long")
    GO.clear()
    one.add_job(work, "interval", minutes=7, args=["x"], id=HOSTILE, name=HOSTILE)
    for number in range(60):
        one.add_job(
            work, "interval", hours=1 + number % 7, minutes=number, args=["shop"], id=f"shop-{number:02}"
        )
    one.start()
    one.pause_job("shop-07")
    return one


def until(browser: Any, true: Any) -> None:
    # a page that renews itself may do so while it is looked at
    WebDriverWait(browser, 60, ignored_exceptions=[StaleElementReferenceException]).until(true)


def press(browser: Any, by: str, which: str, *keys: str) -> None:
    """Click on it, or write into it and not be disturbed."""

    def done(driver: Any) -> bool:
        element = driver.find_element(by, which)
        element.click()
        if keys:
            element.send_keys(*keys)
        return True

    until(browser, done)


def text(browser: Any) -> str:
    for _ in range(20):
        try:
            said: str = browser.find_element(By.TAG_NAME, "main").text
            return said
        except StaleElementReferenceException:  # the page renewed itself, or is another one by now
            continue
    raise AssertionError("the page is never still")


def unhappy(browser: Any) -> list[str]:
    """What the console has to complain of, such as something that the policy refused."""
    return [one["message"] for one in browser.get_log("browser") if "favicon" not in one["message"]]


@contextmanager
def screen(browser: Any, scheme: str, width: int) -> Iterator[None]:
    """Light or dark, so many pixels wide; narrow ones are phones."""
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

"""The dashboard in Chromium: it loads, finds, runs and pauses jobs, renews itself, and shows hostile names as text.

Needs Debian's chromium and chromium-driver, and selenium. RAPSCHEDULER_REQUIRE_BROWSER: without them it fails. The
screenshots of the docs are made here: RAPSCHEDULER_SCREENSHOTS=docs/pictures.
"""

from __future__ import annotations

import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from tests.browser.pages import HOSTILE, RUNS, By, Keys, press, screen, text, unhappy, until, work

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_pages_load_and_hostile_names_are_text(browser: Any, address: str) -> None:
    for path in ("/", "/jobs", "/runs", "/failures", "/parked", "/schedulers", "/health"):
        browser.get(address + path)
        assert browser.title.endswith("· rapscheduler")
        until(browser, lambda driver: driver.find_element(By.ID, "live").text == "live")
        assert browser.title != "taken"
        assert not browser.find_elements(By.CSS_SELECTOR, "main script, main img")
    browser.get(f"{address}/jobs")
    assert HOSTILE[:20] in text(browser)
    press(browser, By.PARTIAL_LINK_TEXT, "<script>")
    assert "every 7 minutes" in text(browser) and browser.title != "taken"
    assert unhappy(browser) == []


def test_search(browser: Any, address: str) -> None:
    browser.get(f"{address}/jobs")
    press(browser, By.ID, "search", "shop-0", Keys.ENTER)
    until(browser, lambda driver: "search=shop-0" in driver.current_url)
    assert "shop-09" in text(browser) and "backup" not in text(browser)
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == 10


def test_run_now_pause_and_another_schedule(browser: Any, address: str, scheduler: Any) -> None:
    RUNS.clear()
    browser.get(f"{address}/jobs/backup")
    press(browser, By.XPATH, "//button[text()='Run now']")
    until(browser, lambda driver: RUNS == ["backup"])
    press(browser, By.XPATH, "//button[text()='Pause']")
    until(browser, lambda driver: "paused" in text(driver))
    assert scheduler.get_job("backup").next_run_time is None
    press(browser, By.ID, "line", "0 6 * * 1", Keys.ENTER)
    until(browser, lambda driver: "at 06:00 on Monday" in text(driver))
    press(browser, By.XPATH, "//button[text()='Use this schedule']")
    until(browser, lambda driver: "scheduled" in text(driver))
    assert scheduler.get_job("backup").next_run_time.weekday() == 0
    assert unhappy(browser) == []


def test_pages_renew_themselves(browser: Any, address: str, scheduler: Any) -> None:
    browser.get(f"{address}/")
    until(browser, lambda driver: driver.find_element(By.ID, "live").text == "live")
    time.sleep(1.2)  # the stream has had its first look
    scheduler.add_job(
        work, "date", run_date=datetime(2099, 1, 1, tzinfo=timezone.utc), args=["x"], id="brand-new"
    )
    scheduler.modify_job(
        "brand-new", next_run_time=datetime.now(timezone.utc).replace(microsecond=0, second=0)
    )
    scheduler.add_job(work, "interval", seconds=3600, args=["x"], id="another-new", next_run_time=soon())
    until(browser, lambda driver: "another-new" in text(driver))


def soon() -> datetime:
    return datetime.fromtimestamp(time.time() + 30, timezone.utc)


def test_runs_appear_and_are_found(browser: Any, address: str, scheduler: Any) -> None:
    browser.get(f"{address}/runs")
    until(browser, lambda driver: driver.find_element(By.ID, "live").text == "live")
    assert "No runs." in text(browser)
    time.sleep(1.2)  # the stream has had its first look
    scheduler.modify_job("newsletter", next_run_time=datetime.now(timezone.utc))
    scheduler.modify_job("stock", next_run_time=datetime.now(timezone.utc))
    until(browser, lambda driver: "newsletter" in text(driver) and "stock" in text(driver))
    press(browser, By.ID, "job", "newsletter", Keys.ENTER)
    until(browser, lambda driver: "job=newsletter" in driver.current_url)
    assert "stock" not in text(browser) and "the mail server does not answer" in text(browser)
    assert unhappy(browser) == []


def test_a_run_and_its_cancelling(browser: Any, address: str, scheduler: Any) -> None:
    """From the list of runs to one that failed; one under way is cancelled, and the page says so by itself."""
    with pytest.raises(ConnectionError):
        scheduler.run_job("newsletter").result(60)
    long = scheduler.run_job("long")
    browser.get(f"{address}/runs?job=newsletter")
    press(browser, By.XPATH, "//tr[td/a[text()='newsletter']]/td[1]/a")
    until(browser, lambda driver: driver.title.startswith("Run of newsletter"))
    until(browser, lambda driver: "raise ConnectionError" in text(driver))
    browser.get(f"{address}/runs")
    until(browser, lambda driver: "Under way" in text(driver))
    browser.get(f"{address}/runs/{long.id}")
    until(browser, lambda driver: "running" in text(driver))
    press(browser, By.XPATH, "//button[text()='Cancel']")
    until(browser, lambda driver: "cancelled" in text(driver))
    until(browser, lambda driver: not driver.find_elements(By.XPATH, "//button[text()='Cancel']"))
    assert unhappy(browser) == []


def test_reading_needs_no_script(browser: Any, address: str, scheduler: Any) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(f"{address}/")
        assert "stock" in browser.page_source
        browser.get(f"{address}/jobs?search=backup")
        press(browser, By.LINK_TEXT, "backup")
        until(browser, lambda driver: "at 02:30 every day" in driver.page_source)
        run = scheduler.run_job("stock")
        run.result(60)
        browser.get(f"{address}/runs/{run.id}")
        assert "done" in text(browser) and browser.find_elements(By.LINK_TEXT, "stock")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_every_field_has_a_label_and_the_keyboard_reaches_the_content(browser: Any, address: str) -> None:
    for path in ("/jobs", "/jobs/backup", "/runs"):
        browser.get(address + path)
        for field in browser.find_elements(By.CSS_SELECTOR, "input:not([type=hidden]), select"):
            assert browser.find_elements(By.CSS_SELECTOR, f"label[for='{field.get_attribute('id')}']"), path
        assert len(browser.find_elements(By.TAG_NAME, "h1")) == 1
        assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
        assert all(one.get_attribute("scope") == "col" for one in browser.find_elements(By.TAG_NAME, "th"))
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "To the content"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("next", "/"),
        ("jobs", "/jobs"),
        ("job", "/jobs/newsletter"),
        ("runs", "/runs"),
        ("schedulers", "/schedulers"),
    ],
)
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit(
    browser: Any, address: str, scheduler: Any, scheme: str, name: str, path: str, width: int
) -> None:
    if name in ("job", "runs"):
        scheduler.modify_job("newsletter", next_run_time=datetime.now(timezone.utc))
        time.sleep(0.5)
    with screen(browser, scheme, width):
        browser.get(address + path)
        until(browser, lambda driver: driver.find_element(By.TAG_NAME, "h1").is_displayed())
        assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert colour == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(21, 24, 28)")
        folder = os.environ.get("RAPSCHEDULER_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            browser.save_screenshot(str(Path(folder) / f"dashboard-{name}-{scheme}-{width}.png"))

"""Chromium for all tests here, and a scheduler whose dashboard is served."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rapscheduler.dashboard._app import Dashboard
from rapscheduler.dashboard._servers import server
from rapscheduler.dashboard._sources import SchedulerSource


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=str(shutil.which("chromedriver")))
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_window_size(1280, 900)
    yield driver
    driver.quit()


@contextmanager
def served(dashboard: Dashboard, browser: Any) -> Iterator[str]:
    """Its address. The browser leaves the page before the server goes, and what its console said goes too."""
    with server(dashboard, "127.0.0.1", 0) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}"
        browser.get("about:blank")
        browser.get_log("browser")
        serving.shutdown()


@pytest.fixture
def scheduler() -> Iterator[Any]:
    from tests.browser.pages import GO, scheduler_with_jobs

    one = scheduler_with_jobs()
    yield one
    GO.set()
    one.shutdown()


@pytest.fixture
def address(scheduler: Any, browser: Any) -> Iterator[str]:
    with served(Dashboard(SchedulerSource(scheduler), allow_changes=True), browser) as where:
        yield where

"""A headless Chromium in which tests look at pages; what a page does wrong fails its test."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_LOCAL = {"about", "blob", "data", "file"}


# Not of the session: while it is open, Playwright's event loop runs in this thread, and the tests
# of other folders start loops of their own.
@pytest.fixture(scope="package")
def browser() -> "Iterator[Browser]":
    """Chromium as the system has it; Playwright downloads none."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        reason = f"no browser: none of {', '.join(_PROGRAMS)} is installed (apt install chromium)"
        if os.environ.get("EXPLORER_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium's sandbox refuses to run as root.
        opened = playwright.chromium.launch(
            executable_path=program, chromium_sandbox=os.geteuid() != 0
        )
        yield opened
        opened.close()


@pytest.fixture
def complaints() -> list[str]:
    """What went wrong on the page of this test; it has to be empty at the end."""
    return []


@pytest.fixture
def page(browser: "Browser", complaints: list[str]) -> "Iterator[Page]":
    """An empty page that may reach this machine's files and loopback, no more.

    Errors in its console, requests that fail and requests to anywhere else fail the test.
    """
    with watched_page(browser, complaints) as opened:
        yield opened
    assert complaints == []


@contextmanager
def watched_page(browser: "Browser", complaints: list[str]) -> "Iterator[Page]":
    """Open an empty page of 1280 x 800 and add to the complaints what goes wrong on it."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(30_000)
    _watch(context, complaints)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def axe() -> "Callable[..., list[str]]":
    """Check a page for accessibility with axe-core; gives a line a violation and element.

    What a second argument selects is left out, as the inside of a picture that has a name.
    """
    import axe_playwright_python

    source = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")

    def check(page: "Page", without: str | None = None) -> list[str]:
        page.evaluate(source)
        found: dict[str, Any] = page.evaluate(
            "without => axe.run(without ? {exclude: [[without]]} : document)", without
        )
        return [
            f"{violation['id']}: {violation['help']}: {node['html']}: {node['failureSummary']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    return check


def _watch(context: "BrowserContext", complaints: list[str]) -> None:
    def pass_or_stop(route: "Route") -> None:
        if _is_here(route.request.url):
            route.continue_()
        else:
            complaints.append(f"leaves this machine: {route.request.url}")
            route.abort()

    context.route(lambda _: True, pass_or_stop)
    context.on(
        "console",
        lambda said: (
            complaints.append(f"console: {said.text}")
            if said.type == "error" or said.text.startswith("WARN: ")  # plotly's, as traces
            else None
        ),
    )
    context.on("weberror", lambda raised: complaints.append(f"exception: {raised.error}"))
    context.on(
        "requestfailed",
        # Those that a page itself gives up, as when it is left, are no failures.
        lambda request: (
            complaints.append(f"failed: {request.url}: {request.failure}")
            if request.failure != "net::ERR_ABORTED"
            else None
        ),
    )
    # A socket that is routed and not connected stays on this machine.
    context.route_web_socket(
        lambda url: not _is_here(url),
        lambda socket: complaints.append(f"leaves this machine: {socket.url}"),
    )


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in _LOCAL or parts.hostname in _LOOPBACK

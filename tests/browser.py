"""A page in headless Chromium: what a person sees, and what the page complains about.

Import both fixtures where they are used: ``from tests.browser import browser, page``.
"""

import os
import shutil
from collections.abc import Iterator, Sequence

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
]


class Seen:
    """A page, the errors it has reported and the addresses it has asked for.

    Attributes
    ----------
    page : playwright.sync_api.Page
    errors : list of str
        Uncaught exceptions and what was logged to the console as an error.
    requests : list of str
        Every address, so that a test can tell that none lies outside.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._logged)
        page.on("request", self._asked)

    def _logged(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)

    def outside(self) -> list[str]:
        """Return the addresses asked for that lie on no local server or file."""
        inside = ("http://127.0.0.1", "http://localhost", "file:", "data:", "blob:", "about:")
        return [url for url in self.requests if not url.startswith(inside)]


# Playwright keeps an event loop running in this thread for as long as it is open, and then no
# other test may call asyncio.run: so once a module, not once a session.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; without it a skip, or a failure where all services are required."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        if os.environ.get("EMBFEAST_REQUIRE_SERVICES") == "1":
            pytest.fail("Chromium is not installed, and EMBFEAST_REQUIRE_SERVICES=1")
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Seen]:
    """A new page of 1280 × 900 that remembers its errors and requests."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield Seen(context.new_page())
    context.close()


def barriers(page: Page, rules: Sequence[str] = ()) -> list[str]:
    """Return what axe-core finds that keeps somebody from using a page: the rule and the places.

    Where `rules` are named, these alone are applied, instead of all.
    """
    options: dict[str, object] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {node['html'][:120]}"
        for rule in found
        for node in rule["nodes"]
    ]

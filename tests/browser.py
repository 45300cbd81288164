"""A real browser, which looks at pages as people do and tells what went wrong in them."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

#: What a test waits for is there within this time, however busy the machine is.
TIMEOUT_MS = 60_000

#: What Chromium says itself of an answer that is an error; the page shows what that means.
_ANSWER = "Failed to load resource: the server responded with a status of"


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    """Starts Chromium; it finds no host but the loopback."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    assert program, "no Chromium: run scripts/install-chromium.sh"
    arguments = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class Window:
    """A tab of its own, without what others have stored.

    Attributes:
        errors: what scripts have thrown, and what the console says of it.
        loaded: addresses that it has asked for, and how many bytes each had.
    """

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self._context = browser.new_context(viewport={"width": 1200, "height": 900}, **options)
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(TIMEOUT_MS)
        self.errors: list[str] = []
        self.loaded: dict[str, int] = {}
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._on_console)
        self.page.on("requestfinished", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_ANSWER):
            self.errors.append(message.text)

    def _on_request(self, request: Request) -> None:
        if request.url.startswith("http"):
            self.loaded[request.url] = request.sizes()["responseBodySize"]

    def open(self, place: str = "") -> Page:
        """Opens a part of the page, as `#/jobs`."""
        self.page.goto(f"{self.url}/{place}")
        return self.page

    def violations(self) -> list[str]:
        """Returns what axe-core finds wrong for people who do not see, or use no mouse."""
        found = Axe().run(self.page).response["violations"]
        return [f"{item['id']}: {node['html']}" for item in found for node in item["nodes"]]

    def strangers(self) -> list[str]:
        """Returns what it has asked other hosts for."""
        own = urlsplit(self.url).netloc
        return [url for url in self.loaded if urlsplit(url).netloc != own]

    def close(self) -> None:
        """Closes it."""
        self._context.close()

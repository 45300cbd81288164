"""Draws the pictures of docs/page.md anew: `python -m tests.page_pictures` uses a real gateway's page."""

import tempfile
from pathlib import Path

from playwright.sync_api import expect

from tests.browser import TIMEOUT_MS, Window, open_browser
from tests.e2e.conftest import ECHO, FAULTY, ROOT, Stack, faulty_request, serving

TOKEN = "the token of a picture"
DOCS = ROOT / "docs"


def draw_answer(window: Window) -> None:
    """Reads the words of the example picture."""
    page = window.open("#/abilities/mmocr")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("polygon").first).to_be_visible()
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=DOCS / "page.png")


def draw_operate(window: Window, stack: Stack) -> None:
    """Shows a dead letter, and what operators can do about it."""
    stack.wait_state(stack.submit("faulty", faulty_request(mode="os_exit")), "poisoned", 120)
    page = window.open("#/operate")
    page.get_by_label("Key or admin token").fill(TOKEN)
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_role("heading", name="Workers")).to_be_visible()
    page.screenshot(path=DOCS / "page-operate.png")


def main() -> None:
    """Starts a stack and a browser, and draws."""
    expect.set_options(timeout=TIMEOUT_MS)
    mmocr = ROOT / "abilities" / "mmocr"
    with (
        tempfile.TemporaryDirectory(prefix="athena-pictures-") as folder,
        serving(Path(folder), mmocr, ECHO, FAULTY, ATHENA_ADMIN_TOKEN=TOKEN) as stack,
        open_browser() as browser,
    ):
        draw_answer(Window(browser, stack.url))
        draw_operate(Window(browser, stack.url, color_scheme="dark"), stack)


if __name__ == "__main__":
    main()

"""The page, used in a real browser as somebody would who has never seen it."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import TIMEOUT_MS, Window, open_browser
from tests.e2e.conftest import ECHO, FAULTY, ROOT, Stack, faulty_request, serving, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

STUDIO, PATIENT = (ROOT / "tests" / "abilities" / name for name in ("studio", "patient"))
PICTURE = ROOT / "examples" / "digits" / "seven.png"
TOKEN = "the token of the page's operator"
MAX_BYTES = 150_000

expect.set_options(timeout=TIMEOUT_MS)

Look = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("page")
    with serving(folder, STUDIO, PATIENT, FAULTY, ECHO, ATHENA_ADMIN_TOKEN=TOKEN) as running:
        yield running


@pytest.fixture
def window(browser: Browser, site: Stack) -> Iterator[Window]:
    """A new tab, in which no script fails and which asks nobody else for anything."""
    opened = Window(browser, site.url)
    yield opened
    opened.close()
    assert opened.errors == []
    assert opened.strangers() == []


def open_ability(window: Window, name: str) -> Page:
    page = window.open()
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=2)).to_contain_text(name)
    return page


def run(page: Page) -> None:
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".result .badge")).to_have_text("succeeded")


# callers


def test_the_way_from_the_start_to_an_answer_is_short(window: Window) -> None:
    page = open_ability(window, "echo")

    run(page)

    example = json.loads((ECHO / "example.json").read_text())
    assert example["payload"]["text"]["text"] == "aGVsbG8="
    expect(page.locator(".output pre")).to_contain_text("hello")


def test_a_form_has_a_field_for_all_that_is_declared(window: Window) -> None:
    page = open_ability(window, "studio")
    page.get_by_label("features").fill("[[0.2, 0.7], [1]]")
    page.get_by_label("note").fill("héllo ")
    page.get_by_label("mode").select_option("loud")
    page.get_by_label("threshold").fill("0.5")
    page.get_by_label("times").fill("2")
    page.get_by_label("shout").select_option("true")
    page.get_by_label("picture").set_input_files(PICTURE)

    run(page)

    output = {
        name: page.locator("section.output").filter(has=page.get_by_role("heading", name=name))
        for name in ("scores", "words", "boxes", "drawing")
    }
    expect(output["words"].locator("pre")).to_have_text("HÉLLO HÉLLO ")
    assert output["scores"].locator(".leaf code").all_text_contents() == ["0.7", "1"]
    expect(output["drawing"].locator("polygon")).to_have_count(1)
    expect(output["drawing"].get_by_text("here")).to_be_visible()
    picture = output["drawing"].locator("img")
    wait_until(lambda: picture.evaluate("image => image.naturalWidth") == 64, 30, "the picture is drawn")
    sizes = [picture.bounding_box(), output["drawing"].locator("svg").bounding_box()]
    assert sizes[0] == sizes[1]


def test_a_file_may_be_dropped_and_a_sound_is_played(window: Window, site: Stack) -> None:
    page = open_ability(window, "studio")
    drop = page.locator(".drop", has=page.get_by_label("sound"))
    dropped = page.evaluate_handle(
        "() => { const all = new DataTransfer(); all.items.add(new File(['RIFF'], 'a.wav')); return all; }"
    )
    drop.dispatch_event("drop", {"dataTransfer": dropped})
    expect(drop).to_contain_text("a.wav")

    run(page)

    player = page.locator("section.output audio")
    wait_until(
        lambda: player.evaluate("sound => sound.duration") == pytest.approx(0.2, abs=0.05),
        30,
        "the sound is read",
    )


def test_boxes_are_drawn_on_the_picture_that_was_sent(window: Window, site: Stack) -> None:
    page = window.open()

    sent = [
        {"result": [{"box": [1, 2, 3, 4], "label": "a"}, {"bbox": [[0, 0], [5, 0], [5, 5]], "score": 0.5}]},
        {"box": "none"},
    ]
    found = page.evaluate("async (sent) => (await import('./static/answer.js')).boxesOf(sent)", sent)

    assert found == [
        {"points": [1, 2, 3, 2, 3, 4, 1, 4], "label": "a", "score": None},
        {"points": [0, 0, 5, 0, 5, 5], "label": "", "score": 0.5},
    ]


@pytest.mark.parametrize("with_file", [False, True])
def test_the_same_call_can_be_pasted(window: Window, tmp_path: Path, with_file: bool) -> None:
    shutil.copy(PICTURE, tmp_path / "seven.png")
    page = open_ability(window, "studio")
    page.get_by_label("features").fill("[[0.2], [1]]")
    page.get_by_label("note").fill('it\'s "quoted" $HOME')
    page.get_by_label("shout").select_option("false")
    if with_file:
        page.get_by_label("picture").set_input_files(tmp_path / "seven.png")
        # The browser reads it first.
        expect(page.get_by_label("curl", exact=True)).to_contain_text("seven.png")

    curl, python = (page.get_by_label(name, exact=True).text_content() or "" for name in ("curl", "Python"))
    (tmp_path / "call.py").write_text(python)
    by_curl, by_python = (
        subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True).stdout
        for command in (["bash", "-c", curl], [sys.executable, "call.py"])
    )

    assert json.loads(by_curl)["words"] == 'it\'s "quoted" $HOME'
    assert json.loads(by_curl)["scores"] == [[0.2], [1]]
    assert ("drawing" in json.loads(by_curl)) is with_file
    assert "'scores': [[0.2], [1]]" in by_python


def test_what_is_wrong_is_said(window: Window) -> None:
    page = open_ability(window, "studio")
    page.get_by_label("features").fill("no JSON")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".result").get_by_role("alert")).to_contain_text("features is not JSON")

    page.get_by_label("features").fill("7")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".result .badge")).to_have_text("failed")
    expect(page.locator(".result").get_by_role("alert")).to_contain_text("not iterable")


def test_answers_are_text_and_run_nothing(window: Window) -> None:
    page = open_ability(window, "studio")
    attack = "<img src=x onerror=alert(1)><script>alert(1)</script>"
    page.get_by_label("note").fill(attack)

    run(page)

    expect(page.locator(".output pre")).to_have_text(attack)


def test_a_job_is_followed_while_it_runs(window: Window) -> None:
    page = open_ability(window, "patient")
    page.get_by_label("steps").fill("30")
    page.get_by_role("button", name="Run").click()

    expect(page.locator(".result progress")).to_be_visible()
    expect(page.locator(".result .badge")).to_have_text("running")
    expect(page.locator(".result .badge")).to_have_text("succeeded")
    page.get_by_text("What happened").click()
    events = page.locator(".timeline .event").all_text_contents()
    assert events == ["submitted", "taken", "started", "succeeded"]


def test_why_a_job_waits_is_said_and_it_can_be_canceled(window: Window, site: Stack) -> None:
    operator = {"Authorization": f"Bearer {TOKEN}"}
    site.post("/v1/admin/queues/echo/pause", None, headers=operator)
    try:
        page = open_ability(window, "echo")
        page.get_by_role("button", name="Run").click()
        expect(page.locator(".timeline .now")).to_contain_text("queue_paused")
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator(".result .badge")).to_have_text("canceled")
    finally:
        site.post("/v1/admin/queues/echo/resume", None, headers=operator)


def test_jobs_are_listed_and_chosen(window: Window, site: Stack) -> None:
    failed = site.submit("faulty", faulty_request(mode="raise"))
    site.wait_state(failed, "failed")
    site.wait_state(site.submit("echo", json.loads((ECHO / "example.json").read_text())), "succeeded")
    page = window.open("#/jobs")
    expect(page.get_by_role("row").filter(has_text=failed[:12])).to_be_visible()

    page.get_by_label("State").select_option("failed")
    page.get_by_label("Ability").select_option("faulty")
    expect(page.locator("tbody tr .badge").first).to_have_text("failed")
    expect(page.locator("tbody tr", has_text="echo")).to_have_count(0)
    page.get_by_role("link", name=failed[:12]).click()

    expect(page.get_by_role("heading", level=2)).to_contain_text(failed)
    expect(page.get_by_role("alert")).to_contain_text("RuntimeError")
    expect(page.get_by_role("alert")).to_contain_text("wrapper.py")


def test_everything_is_reached_without_a_mouse(window: Window) -> None:
    page = window.open()
    expect(page.get_by_role("link", name="echo", exact=True)).to_be_visible()

    def focus(role: str) -> None:
        """Goes on with the tab key until something has the focus."""
        wanted = page.locator(role)
        for _ in range(60):
            page.keyboard.press("Tab")
            if wanted.evaluate("node => node === document.activeElement"):
                return
        raise AssertionError(f"never came to {role}")

    focus("a.skip")
    focus('a[href="#/abilities/echo"]')
    page.keyboard.press("Enter")
    expect(page.get_by_label("suffix")).to_be_visible()
    focus("#param-suffix")
    page.keyboard.type("!")
    focus("button.primary")
    page.keyboard.press("Enter")
    expect(page.locator(".output pre")).to_have_text("hello!")
    assert page.locator(".result [role=status]").first.text_content()


# operators


def with_token(window: Window) -> Page:
    page = window.open("#/operate")
    expect(page.get_by_role("alert")).to_contain_text("admin token")
    page.get_by_label("Key or admin token").fill(TOKEN)
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_role("heading", name="Dead letters")).to_be_visible()
    return page


def test_operators_pause_and_resume(window: Window, site: Stack) -> None:
    page = with_token(window)

    page.get_by_role("button", name="Pause echo").click()
    expect(page.locator("tr", has_text="echo").filter(has_text="paused")).to_be_visible()
    page.get_by_role("button", name="Resume echo").click()
    expect(page.get_by_role("button", name="Pause echo")).to_be_visible()
    assert site.post("/echo", {"text": "goes on"}).json() == {"text": "goes on"}


def test_operators_requeue_and_drop_dead_letters(window: Window, site: Stack) -> None:
    job_id = site.submit("faulty", faulty_request(mode="os_exit"))
    site.wait_state(job_id, "poisoned", 120)
    page = with_token(window)
    page.on("dialog", lambda dialog: dialog.accept())

    page.get_by_role("button", name=f"Requeue {job_id}").click()
    expect(page.get_by_role("button", name=f"Requeue {job_id}")).to_have_count(0)
    again = wait_until(
        lambda: [job for job in jobs_of(site, "faulty") if job["retry_of"] == job_id], 60, "it is tried again"
    )
    site.wait_state(again[0]["id"], "poisoned", 120)
    page.get_by_role("button", name="Refresh").click()
    page.get_by_role("button", name=f"Drop {again[0]['id']}").click()

    expect(page.get_by_role("button", name=f"Drop {again[0]['id']}")).to_have_count(0)


def jobs_of(site: Stack, service_id: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = site.get(f"/v1/jobs?service_id={service_id}").json()["jobs"]
    return found


def test_operators_drain_and_restart_a_worker(window: Window, site: Stack) -> None:
    page = with_token(window)
    page.on("dialog", lambda dialog: dialog.accept())
    row = page.locator("tr", has_text="patient.cpu.0@")

    row.get_by_role("button", name="Drain").click()
    wait_until(lambda: _refreshed(page, row.get_by_text("drained").count), 60, "the worker is drained")
    row.get_by_role("button", name="Restart").click()

    wait_until(lambda: _refreshed(page, row.get_by_text("serving").count), 60, "the worker serves again")


def _refreshed(page: Page, count: Callable[[], int]) -> bool:
    page.get_by_role("button", name="Refresh").click()
    page.wait_for_timeout(200)
    return bool(count())


def test_a_token_is_kept_for_the_tab_alone(window: Window, browser: Browser, site: Stack) -> None:
    with_token(window).reload()
    expect(window.page.get_by_role("heading", name="Dead letters")).to_be_visible()

    other = Window(browser, site.url)
    try:
        expect(other.open("#/operate").get_by_role("alert")).to_be_visible()
    finally:
        other.close()
    window.page.locator(".key summary").click()
    window.page.get_by_role("button", name="Forget it").click()
    expect(window.page.get_by_role("alert")).to_contain_text("admin token")


def test_with_keys_on_it_asks_for_one(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, ECHO, ATHENA_ACCESS="keys", ATHENA_ADMIN_TOKEN=TOKEN) as closed:
        window = Window(browser, closed.url)
        try:
            page = window.open()
            expect(page.get_by_text("send a key").first).to_be_visible()
            page.get_by_label("Key or admin token").fill(TOKEN)
            page.get_by_role("button", name="Use it").click()
            page.get_by_role("link", name="echo", exact=True).click()
            run(page)
            expect(page.locator(".output pre")).to_contain_text("hello")
            expect(page.get_by_label("curl", exact=True)).to_contain_text("Bearer $ATHENA_KEY")
            assert TOKEN not in page.content()
            assert window.errors == []
        finally:
            window.close()


# the page itself


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_people_who_do_not_see_can_use_it(browser: Browser, site: Stack, scheme: str) -> None:
    window = Window(browser, site.url, color_scheme=scheme)
    try:
        page = window.open()
        expect(page.get_by_role("link", name="studio")).to_be_visible()
        found = {"start": window.violations()}
        page = open_ability(window, "studio")
        page.get_by_label("features").fill("[[1]]")
        page.get_by_label("picture").set_input_files(PICTURE)
        run(page)
        expect(page.locator("section.output img")).to_be_visible()
        page.get_by_text("What happened").click()
        found["answer"] = window.violations()
        page.get_by_label("features").fill("7")
        page.get_by_role("button", name="Run").click()
        expect(page.locator(".result .badge")).to_have_text("failed")
        found["failure"] = window.violations()
        expect(window.open("#/jobs").get_by_role("table")).to_be_visible()
        found["jobs"] = window.violations()
        with_token(window)
        found["operate"] = window.violations()
        page = window.open("docs")
        page.locator(".operation summary").first.click()
        found["docs"] = window.violations()
    finally:
        window.close()
    assert found == {view: [] for view in found}
    assert len(found) == 6
    assert window.errors == []


def test_the_api_can_be_read(window: Window) -> None:
    page = window.open("docs")

    operation = page.locator(".operation", has_text="/v1/private/studio")
    operation.locator("summary").first.click()

    expect(operation.get_by_text("scores below are left out").first).to_be_visible()
    expect(operation.get_by_text("studio.Plain", exact=True)).to_be_visible()
    page.get_by_role("link", name="Abilities").click()
    expect(page.get_by_role("link", name="studio")).to_be_visible()


def test_whoever_starts_athena_is_told_of_it(site: Stack) -> None:
    assert f"  page       {site.url}/ (in a browser)\n" in site.log


def test_it_is_small(window: Window) -> None:
    page = window.open()
    expect(page.get_by_role("link", name="studio")).to_be_visible()

    assert 20_000 < sum(window.loaded.values()) < MAX_BYTES


def test_its_policy_is_strict_and_programs_get_json(site: Stack) -> None:
    html, program = site.get("/", headers={"Accept": "text/html,*/*;q=0.8"}), site.get("/")

    policy = html.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert html.headers["vary"] == "Accept"
    assert program.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert program.json()["urls"]["abilities"] == "/v1/abilities"
    assert site.get("/docs").headers["content-type"].startswith("text/html")
    assert site.get("/static/nothing.js").status_code == 404


def test_it_names_no_path_from_the_root() -> None:
    """Behind a proxy it may lie anywhere."""
    for path in (ROOT / "api" / "page").rglob("*.*"):
        if path.suffix in (".html", ".js", ".css") and "vendor" not in path.parts:
            assert not re.search(r"""(?:href|src|url|fetch|call)[=(]\s*["'`]/""", path.read_text()), path
            assert not re.search(r"https?://", path.read_text()), path

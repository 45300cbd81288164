"""Two versions of an ability side by side: each at its path, shares of the requests, and the way back."""

import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.conftest import ATHENA, ECHO, ROOT, Stack, serving, wait_until
from tests.e2e.test_operators import BEARER, TOKEN, admin, athena, table, told
from tests.ports import free_port
from tests.walk import Terminal

pytestmark = pytest.mark.e2e

#: Requests of a round; their ids are the same each time, and so are their versions.
MANY = 2_000
CALLERS = 8

#: Until all gateways know of a change.
KNOWN_S = 30


def side_version(folder: Path) -> Path:
    """Returns echo's next version: it says so in its answers, and takes a parameter that is new."""
    path = folder / "next"
    shutil.copytree(ECHO, path)
    (path / "golden.json").unlink()
    toml = (path / "ability.toml").read_text()
    (path / "ability.toml").write_text(toml.replace('version = "v1"', 'version = "v2"\nbeside = true'))
    source = (path / "wrapper.py").read_text()
    source = source.replace("    suffix =", '    prefix = StringParamField(key="prefix")\n    suffix =')
    source = source.replace("setData(text", 'setData(b"two: " + text')
    (path / "wrapper.py").write_text(source)
    return path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Echo, and its next version whose workers have another supervisor, as on another host."""
    folder = tmp_path_factory.mktemp("versions")
    with serving(folder, ECHO, ATHENA_ADMIN_TOKEN=TOKEN, ATHENA_UNSERVED_GRACE_S="1") as running:
        command = [*ATHENA, "workers", "--ability", str(side_version(folder)), "--redis", running.redis_url]
        with (folder / "workers.log").open("wb") as log:
            others = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: running.get("/v1/abilities/echo@v2").status_code == 200, 90, "v2 serves")
            yield running
        finally:
            others.terminate()
            others.wait(60)


@pytest.fixture(autouse=True)
def no_share(site: Stack) -> Iterator[None]:
    """Ends with all requests at the main version."""
    yield
    set_share(site, None, "rollback", "echo")


def set_share(site: Stack, share: float | None, *words: str) -> None:
    """Types a command about shares, and waits until the gateway knows it; None for no shares."""
    table(site, "abilities", *words)
    wait_until(lambda: site.get("/v1/abilities/echo@v2").json()["share"] == share, KNOWN_S, "it is known")


def text_of(answer: requests.Response) -> str:
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["text"]
    return text


def send(site: Stack, path: str, names: list[str], **more: str) -> Counter[str]:
    """Sends a request for each id by several callers; counts their answers."""
    mine = threading.local()

    def ask(name: str) -> str:
        session = mine.__dict__.setdefault("session", requests.Session())
        body = {"text": "hi", "request_id": name, "app_id": "shop", **more}
        return text_of(session.post(site.url + path, json=body, timeout=90))

    with ThreadPoolExecutor(CALLERS) as pool:
        return Counter(pool.map(ask, names))


def test_each_version_has_a_path(site: Stack) -> None:
    def ask(path: str) -> Any:
        return site.post(path, {"text": "hi"})

    assert text_of(ask("/v1/private/echo")) == text_of(ask("/echo")) == "hi"
    assert text_of(ask("/v2/private/echo")) == text_of(ask("/v2/private/echo?flask")) == "two: hi"
    missing = ask("/v3/private/echo")
    assert missing.status_code == 404
    assert "echo is not served in version v3, but in v1, v2" in missing.text
    # What only the next one knows is refused by the other.
    assert site.post("/echo", {"text": "hi", "prefix": "x"}).status_code == 400
    assert text_of(site.post("/v2/private/echo", {"text": "hi", "prefix": "x"})) == "two: hi"
    listed = site.get("/v1/abilities").json()["abilities"]
    assert [(item["service_id"], item["url"], item["share"]) for item in listed] == [
        ("echo", "/v1/private/echo", None),
        ("echo@v2", "/v2/private/echo", None),
    ]


@pytest.mark.parametrize("path", ["/v1/private/echo", "/v1/private/echo?flask"], ids=["direct", "flask"])
def test_share_is_kept_and_rolled_back_and_no_request_fails(site: Stack, path: str) -> None:
    kind = "d" if path.endswith("echo") else "f"
    first, later = ([f"{kind}{round}{number}" for number in range(MANY)] for round in "ab")

    set_share(site, 5, "share", "echo", "v2=5%")
    counts = send(site, path, first)
    set_share(site, None, "rollback", "echo")

    assert counts["two: hi"] / MANY == pytest.approx(0.05, abs=0.01)
    assert counts.total() == MANY
    # Repeated, they are answered by the version that ran them; others by the main one.
    assert send(site, path, first) == counts
    assert send(site, path, later) == Counter({"hi": MANY})


def test_app_is_sent_to_a_version_by_name_on_all_ways_in(site: Stack) -> None:
    set_share(site, 0, "share", "echo", "v2=0", "--app", "partner=v2")

    body = {"text": "hi", "app_id": "partner", "prefix": "new"}
    assert text_of(site.post("/echo", body)) == "two: hi"
    assert text_of(site.post("/echo?flask", body)) == "two: hi"
    fields = {"app_id": "partner", "prefix": "x"}
    form = requests.post(f"{site.url}/echo", files={"text": b"hi"}, data=fields, timeout=90)
    assert form.status_code == 200 and form.json()["payload"]["text"]["text"] == "dHdvOiBoaQ=="
    (job,) = site.post("/v1/jobs", {"jobs": [{"service_id": "echo", **body}]}).json()["jobs"]
    done = site.job(job["id"], wait_s=30)
    assert (done["service_id"], done["state"]) == ("echo@v2", "succeeded")
    # Others are as they were, and who names the version gets it.
    assert text_of(site.post("/echo", {"text": "hi", "app_id": "other"})) == "hi"


def test_shares_of_apps_leave_each_at_its_version(site: Stack) -> None:
    set_share(site, 50, "share", "echo", "v2=50", "--by", "app")

    found = {
        app: {text_of(site.post("/echo", {"text": "hi", "app_id": app})) for _ in range(4)}
        for app in (f"app{number}" for number in range(12))
    }
    assert all(len(texts) == 1 for texts in found.values())
    assert set.union(*found.values()) == {"hi", "two: hi"}


def test_share_of_a_version_that_nobody_serves_goes_to_the_main_one(site: Stack) -> None:
    set_share(site, 100, "share", "echo", "v2=100")
    assert text_of(site.post("/echo", {"text": "hi"})) == "two: hi"
    entries = [item["entry"] for item in told(site, "workers", "ls")["workers"]]
    (name,) = [entry["name"] for entry in entries if entry["service_id"] == "echo@v2"]

    athena(site, "workers", "drain", name)
    try:
        # While it is away for a moment its jobs wait for it, as those of any ability.
        def is_gone() -> bool:
            asked = site.post("/v2/private/echo", {"text": "hi"}, headers={"Prefer": "respond-async"})
            return asked.status_code == 503

        wait_until(is_gone, 60, "nobody serves it")
        assert text_of(site.post("/echo", {"text": "hi"})) == "hi"
    finally:
        athena(site, "workers", "restart", name)
        wait_until(lambda: site.get("/v1/abilities/echo@v2").json()["workers"], 60, "it serves again")


def test_operators_see_and_set_shares_over_http(site: Stack) -> None:
    shares = {"percents": {"v2": 12.5}, "apps": {"partner": "v2"}, "by": "request"}
    url = f"{site.url}/v1/admin/abilities/echo/share"
    answer = requests.post(url, json=shares, headers=BEARER, timeout=60)
    assert answer.json() == {"service_id": "echo", **shares}
    wait_until(lambda: site.get("/v1/abilities/echo").json()["share"] == 87.5, KNOWN_S, "it is known")

    assert admin(site, "GET", "/shares") == {"shares": [{"service_id": "echo", **shares}]}
    assert 'athena_traffic_share_ratio{service_id="echo@v2"} 0.125' in site.get("/metrics").text
    rows = told(site, "abilities", "share", "echo")["versions"]
    assert [(row["version"], row["percent"], row["apps"]) for row in rows] == [
        ("v1", 87.5, []),
        ("v2", 12.5, ["partner"]),
    ]
    shown = {item["service_id"]: item["share"] for item in told(site, "top", "--once")["abilities"]}
    assert shown == {"echo": 87.5, "echo@v2": 12.5}
    admin(site, "POST", "/abilities/echo/rollback")
    acts = [(act["action"], act["target"]) for act in told(site, "audit", "--limit", "2")["acts"]]
    assert acts == [
        ("abilities rollback", "echo"),
        ("abilities share", "echo v2=12.5% --app partner=v2 --by request"),
    ]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("echo", "v9=5%"), "no worker has told of echo@v9; beside echo there are: echo@v2."),
        (("echo", "v2"), "'v2': a share must have the form VERSION=PERCENT, as in v2=5%"),
        (("echo", "v2=many"), "'v2=many': 'many' is no number from 0 to 100"),
        (("echo", "v2=0.05"), "'v2=0.05' may be a part or a percentage; write v2=5%, or v2=0.05%"),
        (("echo", "v1=50%"), "v1 is the main version of echo, which gets what others leave"),
        (("echo", "v2=101"), "the share of v2 must be a number from 0 to 100, got 101.0"),
        (("ecko", "v2=5"), "there is no ability 'ecko'; there are: echo"),
        (("echo", "v2=5", "--app", "shop"), "'shop': --app must have the form APP_ID=VERSION"),
    ],
)
def test_mistake_is_told_and_changes_nothing(site: Stack, words: tuple[str, ...], problem: str) -> None:
    done = athena(site, "abilities", "share", *words)

    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith(f"athena: {problem}")
    assert site.get("/v1/abilities/echo").json()["share"] is None


def test_shares_that_are_set_anew_tell_what_is_gone(site: Stack) -> None:
    table(site, "abilities", "share", "echo", "v2=10%", "--app", "partner=v2")

    done = athena(site, "abilities", "share", "echo", "--app", "shop=v2")
    same = athena(site, "abilities", "share", "echo", "v2=5%", "--app", "shop=v2")

    assert done.stderr == "athena: no share any more, for it was not named: v2=10%, --app partner=v2\n"
    assert same.stderr == ""


def test_newcomer_shares_requests_and_rolls_back(tmp_path: Path) -> None:
    port = str(free_port())
    page = (ROOT / "docs" / "upgrade.md").read_text(encoding="utf-8").replace("30889", port)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "ATHENA_PORT": port,
        "ATHENA_FLOWER_PORT": "0",
    }
    (tmp_path / "abilities").symlink_to(ROOT / "abilities")
    terminal = Terminal(tmp_path, environment)

    try:
        assert terminal.follow(page) == 8
    finally:
        terminal.close()

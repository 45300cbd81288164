"""The units, as systemd reads them; `make deploy-check` starts them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from athena.setting_listing import setting_table
from athena.settings import from_env

ROOT = Path(__file__).parents[3]
SYSTEMD = ROOT / "deploy" / "systemd"
UNITS = sorted(SYSTEMD.glob("*.service"))

#: Of ten; lower is better. What is left is the network, and that programs may be written and run.
MOST_EXPOSED = 3.0


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [shutil.which("systemd-analyze") or "systemd-analyze", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit whose programs are here."""
    source: Path = request.param
    text = source.read_text(encoding="utf-8").replace("/opt/athena/bin/athena", "/bin/true")
    path = tmp_path / source.name.replace("@", "@30889")
    path.write_text(re.sub("^(User|Group)=.*$", r"\1=daemon", text, flags=re.MULTILINE))
    return path


def by_name(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("unit", UNITS, indirect=True, ids=by_name)
def test_systemd_has_nothing_to_say(unit: Path) -> None:
    """A key that it does not know costs no exit status, but a line."""
    done = analyze("verify", "--man=no", unit)

    assert [line for line in done.stderr.splitlines() if unit.name in line] == []


@pytest.mark.parametrize("unit", UNITS[:1], indirect=True, ids=by_name)
def test_systemd_finds_a_misspelt_key(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("[Install]", "PrivateTmpp=yes\n[Install]"))

    assert "PrivateTmpp" in analyze("verify", "--man=no", unit).stderr


@pytest.mark.parametrize("unit", UNITS, indirect=True, ids=by_name)
def test_a_service_may_do_little(unit: Path) -> None:
    threshold = f"--threshold={MOST_EXPOSED * 10:.0f}"
    done = analyze("security", "--offline=yes", "--no-pager", threshold, unit)

    assert done.returncode == 0, done.stdout.splitlines()[-1]


@pytest.mark.parametrize("path", UNITS, ids=by_name)
def test_a_stop_may_take_as_long_as_what_it_ends(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    settings = from_env({})
    found = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))

    if "flower" not in path.name:
        assert float(found["TimeoutStopSec"]) > settings.grace_s + 5
        assert found["KillMode"] == "mixed"
    if found["Type"] == "notify":
        assert float(found["TimeoutStartSec"]) >= settings.load_timeout_s + 30
    assert found["RestartPreventExitStatus"] == "78"


@pytest.mark.parametrize("name", ["athena.service", "athena-worker@.service"])
def test_services_with_workers_have_a_folder_for_what_can_be_made_again(name: str) -> None:
    text = (SYSTEMD / name).read_text(encoding="utf-8")

    (folder,) = re.findall(r"^CacheDirectory=(.*)$", text, re.MULTILINE)
    assert f"Environment=ATHENA_CACHE_DIR=/var/cache/{folder}\n" in text
    # Copies of models are used from a folder alone that nobody else can write.
    assert "CacheDirectoryMode=0700" in text


def test_folders_of_the_service_are_there_before_its_first_start() -> None:
    """An operator installs packages of abilities into them then; the unit makes them with the same mode."""
    unit = (SYSTEMD / "athena.service").read_text(encoding="utf-8")
    made = (SYSTEMD / "tmpfiles.d" / "athena.conf").read_text(encoding="utf-8").splitlines()

    for kind, place in (("State", "/var/lib"), ("Cache", "/var/cache")):
        (name,) = re.findall(rf"^{kind}Directory=(.*)$", unit, re.MULTILINE)
        (mode,) = re.findall(rf"^{kind}DirectoryMode=(.*)$", unit, re.MULTILINE)
        assert f"d {place}/{name} {mode} athena athena" in made


def test_a_gateway_alone_may_say_how_long_it_ends() -> None:
    text = (SYSTEMD / "athena-gateway@.service").read_text(encoding="utf-8")

    # Units of another type than `notify` are not listened to otherwise.
    assert "\nNotifyAccess=main\n" in text


def test_the_environment_names_settings() -> None:
    known = {row.variable for row in setting_table()}
    named = set(re.findall(r"^#?(ATHENA_\w+)=", (SYSTEMD / "athena.env").read_text(), re.MULTILINE))

    assert named
    assert named <= known

"""`athena check` and `athena run` on good and on broken abilities, each in a process of its own."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from athena import cli

ROOT = Path(__file__).resolve().parents[2]
ECHO = ROOT / "abilities" / "echo"
MMOCR = ROOT / "abilities" / "mmocr"
DIGITS = ROOT / "examples" / "digits"
V1_STYLE = ROOT / "tests" / "abilities" / "v1_style"

HEAD = """\
import os, sys, time, threading
from athena.sdk import *

class Asked:
    text = StringBodyField(key="text", value=b"hello")
    size = IntegerParamField(key="size", maximum=5, value=3)

class Answered:
    result = StringBodyField(key="result")

"""

GOOD = (
    HEAD
    + """\
class Wrapper(WrapperBase):
    requestCls = Asked()
    responseCls = Answered()
    def wrapperInit(self, config):
        return 0
    def wrapperOnceExec(self, params, reqData):
        response = Response()
        response.list = [ResponseData("result", reqData.get("text").data)]
        return response
"""
)

#: More than Python reads in one expression.
DEEP = "x = " + "+".join(["1"] * 100_000)

#: Each call keeps 12 MB.
KEEP = "self.__dict__.setdefault('kept', []).append(b'x' * 12_000_000)"


def ability(folder: Path, source: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "wrapper.py").write_text(source)
    return folder


def check(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, Any]:
    """Returns exit status and report."""
    status = cli.main(["check", str(folder), "--json", *options])
    return status, json.loads(capsys.readouterr().out)


def found(report: Any) -> dict[str, Any]:
    """Returns the findings by their rule."""
    return {item["rule"]: item for item in report["findings"]}


@pytest.mark.parametrize("path", [ECHO, MMOCR, DIGITS], ids=lambda path: path.name)
def test_shipped_abilities_are_without_findings(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, report = check(path, capsys)

    assert status == 0
    assert report["findings"] == []
    steps = {item["step"]: item for item in report["steps"]}
    batches = [] if path is ECHO else ["batches"]
    names = ["import", "wrapperInit", "first answer", "next answers", *batches, "wrapperFini"]
    assert list(steps) == names
    assert all(item["seconds"] >= 0 for item in steps.values())
    assert report["outputs"][0]["bytes"] > 0


def test_answer_that_is_not_the_golden_one_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ability(tmp_path / "other", GOOD)
    request = {"header": {"app_id": "a", "status": 3}, "payload": {"text": {"text": "aGVsbG8="}}}
    (folder / "example.json").write_text(json.dumps(request))
    (folder / "golden.json").write_text('{"result": {"text": "b3RoZXI="}}')

    status, report = check(folder, capsys)

    finding = found(report)["not-golden"]
    assert (status, finding["severity"]) == (1, "error")
    assert "golden.json at /result/text" in finding["text"]


def test_the_report_for_people_shows_costs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(ECHO)]) == 0

    text = capsys.readouterr().out
    assert "wrapperInit" in text
    assert "text: text, 5 bytes" in text
    assert "0 errors, 0 warnings, 0 notes" in text


def test_a_wrapper_alone_is_asked_with_its_test_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, report = check(ability(tmp_path / "good", GOOD), capsys)

    assert status == 0
    assert set(found(report)) == {"no-example"}
    assert report["outputs"] == [{"output": "result", "type": 0, "bytes": 5}]


@pytest.mark.parametrize(
    ("old", "new", "rule", "severity", "line", "text"),
    [
        ("import os,", "import torchx, os,", "missing-module", "error", 1, "torchx"),
        ("return 0", "raise OSError('no model')", "init-failed", "error", 15, "no model"),
        (
            "return 0",
            "raise OSError('no model') from ValueError('cut off')",
            "init-failed",
            "error",
            15,
            "OSError: no model, caused by ValueError: cut off",
        ),
        (
            "return 0",
            "raise OSError('no model') from ModuleNotFoundError('No module', name='torchx')",
            "missing-module",
            "error",
            15,
            "pip install torchx",
        ),
        ("return 0", "return 7", "init-failed", "error", 14, "wrapperInit returned 7"),
        ("return 0", "os._exit(9)", "process-ended", "error", 14, "status 9"),
        ("return 0", "os._exit(9)", "ends-process", "warning", 15, "os._exit"),
        ("return 0", "os.kill(os.getpid(), 9)", "process-ended", "error", 14, "SIGKILL"),
        ("return 0", "import signal; signal.alarm(1)", "signal-handler", "note", 15, "signal.alarm"),
        ("return 0", "raise OSError('\\ud83d')", "init-failed", "error", 15, "\\ud83d"),
        ("import os,", "raise SystemExit(1)\nimport os,", "import-failed", "error", 1, "SystemExit"),
        ("self, config", "self, config, more", "init-failed", "error", 14, "more"),
        ("params, reqData", "params, reqData, *, model", "import-failed", "error", 0, "model"),
        ("    def wrapperInit", "    def wrapperInti", "unknown-method", "warning", 14, "wrapperInti"),
        ("def wrapperOnceExec", "def wrapperExecOnce", "no-exec", "error", 11, "wrapperOnceExec"),
        ('("result", req', '("resutl", req', "not-answered", "error", 16, "resutl"),
        ('("result", req', '("resutl", req', "undeclared-output", "warning", 18, "resutl"),
        ('get("text").data', 'get("txet").data', "undeclared-input", "warning", 18, "txet"),
        ('get("text").data', 'get("txet").data', "not-answered", "error", 18, "AttributeError"),
        ("        return response", "        return None", "not-answered", "error", 16, "nothing"),
        ("response = Response()", "params['sizes']", "undeclared-parameter", "warning", 17, "sizes"),
        ('key="size"', 'key="text"', "duplicate-key", "error", 6, "twice"),
        ("maximum=5", "maximum=2", "bad-example", "error", 0, "/parameter/"),
        ('").data)', '").data, type=2)', "other-type", "warning", 18, "declared with 0"),
        ("return 0", "os.chdir('/')", "changes-folder", "note", 0, "/"),
        ("response = R", "os.chdir('/'); response = R", "changes-process", "note", 16, "working folder"),
        ("response = R", "sys.stdout.close(); response = R", "changes-process", "note", 16, "sys.stdout"),
        (
            "return 0",
            "threading.Thread(target=time.sleep, args=(60,), name='busy').start()",
            "threads-left",
            "note",
            11,
            "busy",
        ),
        ("responseCls", "notCls", "declares-nothing", "note", 11, "every request"),
        ("class Wrapper", "class Rapper", "no-wrapper", "error", 0, "neither"),
        ("import os,", "import os,,", "syntax", "error", 1, "not Python"),
        pytest.param("import os,", f"{DEEP}\nimport os,", "too-deep", "error", 0, "nested", id="too-deep"),
        (
            "response = Response()",
            f"{KEEP}; response = Response()",
            "memory-grows",
            "warning",
            16,
            "to the last",
        ),
    ],
)
def test_each_mistake_is_named_with_its_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    rule: str,
    severity: str,
    line: int,
    text: str,
) -> None:
    assert old in GOOD
    source = GOOD.replace(old, new)
    if rule == "declares-nothing":
        source = source.replace("requestCls", "neither")
    folder = ability(tmp_path / "bad", source)

    status, report = check(folder, capsys, "--timeout", "60")

    finding = found(report)[rule]
    assert (finding["severity"], finding["line"]) == (severity, line)
    assert finding["file"].startswith(str(folder))
    assert text in finding["text"] + finding["remedy"]
    assert finding["remedy"]
    assert status == (1 if any(item["severity"] == "error" for item in report["findings"]) else 0)


def test_memory_that_fills_up_once_is_no_leak(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill = f"(len(self.__dict__.get('kept', [])) < 4 and {KEEP})"
    folder = ability(
        tmp_path / "pool", GOOD.replace("response = Response()", f"{fill}; response = Response()")
    )

    _, report = check(folder, capsys)

    assert "memory-grows" not in found(report)


def test_a_wrapper_that_hangs_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ability(tmp_path / "slow", GOOD.replace("return 0", "time.sleep(600)"))

    status, report = check(folder, capsys, "--timeout", "3")

    finding = found(report)["process-ended"]
    assert status == 1
    assert "did not end within 3 s" in finding["text"]
    assert "'wrapperInit'" in finding["text"]
    assert finding["line"] == 14


def test_a_bad_example_is_pointed_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ability(tmp_path / "bad", GOOD)
    (folder / "example.json").write_text('{"header": {"app_id": "a"}, "payload": {}}')

    status, report = check(folder, capsys)

    finding = found(report)["bad-example"]
    assert status == 1
    assert "/header/status" in finding["text"]
    assert finding["file"] == str(folder / "example.json")


def test_static_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ability(tmp_path / "bad", f"open({str(tmp_path / 'ran')!r}, 'w')\n" + GOOD)

    status, report = check(folder, capsys, "--static")

    assert (status, report["steps"]) == (0, [])
    assert not (tmp_path / "ran").exists()


def test_a_finding_shows_the_line_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ability(tmp_path / "bad", GOOD.replace('("result", req', '("resutl", req'))

    assert cli.main(["check", str(folder)]) == 1

    text = capsys.readouterr().out
    assert 'response.list = [ResponseData("resutl"' in text
    assert "did you mean 'result'?" in text


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(["run", *arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_a_text_goes_in_and_comes_out(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, str(ECHO), "--input", "text=hello", "--param", "suffix= you")

    assert (status, out) == (0, "text (text): hello you\n")


def test_files_go_in_and_come_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").write_bytes("grüß".encode())

    status, out, _ = run(
        capsys, str(ECHO), "--input", f"text=@{tmp_path / 'in'}", "--output", f"text={tmp_path / 'out'}"
    )

    assert (status, out) == (0, "")
    assert (tmp_path / "out").read_text() == "grüß"


def test_a_picture_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, str(MMOCR), "--input", f"data=@{MMOCR / 'picture.jpg'}", "--json")

    header = json.loads(out)["header"]
    assert (status, header["code"], header["message"]) == (0, 0, "success")


def test_the_example_is_run_where_no_input_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, str(ECHO), "--param", "suffix=!")[1] == "text (text): hello!\n"


def test_request_and_answer_are_kept_as_the_example(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ability(tmp_path / "kept", GOOD)

    status, out, error = run(capsys, str(folder), "--input", "text=grüß", "--save-example")

    assert (status, out) == (0, "result (text): grüß\n")
    assert f"wrote {folder / 'golden.json'}" in error
    assert run(capsys, str(folder))[1] == "result (text): grüß\n"
    status, report = check(folder, capsys)
    assert (status, report["findings"]) == (0, [])

    (folder / "golden.json").write_text((folder / "golden.json").read_text().replace('"seq": 0', '"seq": 1'))
    assert "not-golden" in {item["rule"] for item in check(folder, capsys)[1]["findings"]}


def test_request_that_is_not_answered_is_no_example(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ability(tmp_path / "kept", GOOD.replace("response = Response()", "raise ValueError('too dark')"))

    assert run(capsys, str(folder), "--input", "text=a", "--save-example")[0] == 1
    assert not (folder / "example.json").exists()


def test_a_request_may_come_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "request.json"
    path.write_text((ECHO / "example.json").read_text())
    assert run(capsys, str(ECHO), "--request", str(path))[0] == 0

    path.write_text("[1]")
    status, _, error = run(capsys, str(ECHO), "--request", str(path))
    assert status == 1
    assert "must be an object" in error


def test_functions_of_the_first_generation_run(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, str(V1_STYLE), "--input", "text=abc", "--param", "turn=round")

    assert (status, out) == (0, "result (text): cba\n")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--param", "sufix=a"], 1, "/parameter/echo/sufix is not known here"),
        (["--param", "suffix"], 78, "NAME=VALUE"),
        (["--input", "text=@/none"], 78, "cannot read /none"),
        (["--input", "text=a", "--output", "boxes=/tmp/x"], 78, "no output 'boxes'; it has: text"),
        (["--request", "/none"], 78, "cannot read /none"),
    ],
)
def test_what_cannot_be_run_says_why(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, message: str
) -> None:
    ended, _, error = run(capsys, str(ECHO), *arguments)

    assert ended == status
    assert message in error


def test_a_wrapper_that_fails_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raising = ability(tmp_path / "a", GOOD.replace("response = Response()", "raise ValueError('too dark')"))
    ending = ability(tmp_path / "b", GOOD.replace("response = Response()", "os._exit(4)"))
    broken = ability(tmp_path / "c", GOOD.replace("return 0", "return 7"))
    loud = ability(
        tmp_path / "d", GOOD.replace("response = Response()", "print('}{'); response = Response()")
    )

    assert "ValueError: too dark (code 10909)" in run(capsys, str(raising))[2]
    assert "ended its process (status 4)" in run(capsys, str(ending))[2]
    assert "wrapperInit returned 7" in run(capsys, str(broken))[2]
    assert run(capsys, str(loud))[1] == "result (text): hello\n"


#: Stops before the answer is made.
STOPPING = GOOD.replace("response = Response()", "breakpoint()\n        response = Response()")
ATHENA_RUN = [sys.executable, "-P", "-m", "athena", "run"]


def test_debugger_reads_what_is_typed(tmp_path: Path) -> None:
    folder = ability(tmp_path / "stopping", STOPPING)
    command = [*ATHENA_RUN, str(folder), "--input", "text=hey"]

    done = subprocess.run(
        command, input='p reqData.get("text").data * 2\nc\n', capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, done.stdout) == (0, "result (text): hey\n")
    assert "-> response = Response()" in done.stderr
    assert "b'heyhey'" in done.stderr
    # The debugger's handler for Ctrl-C is no mistake of the wrapper.
    assert "is ignored" not in done.stderr


def test_debugger_at_a_terminal_has_no_time_limit_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    folder = ability(tmp_path / "stopping", STOPPING)
    (folder / "ability.toml").write_text("[limits]\nmax_exec_s = 0.5\n")
    child, terminal = pty.fork()
    if child == 0:
        # A shell may have started us in the background, where it has Ctrl-C ignored.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.environ["ATHENA_LOAD_TIMEOUT_S"] = "1"
        os.execv(sys.executable, [*ATHENA_RUN, str(folder), "--input", "text=hey"])
    began_s = time.monotonic()
    shown = ""
    while "(Pdb)" not in shown or time.monotonic() - began_s < 2.5:
        assert time.monotonic() - began_s < 60, shown
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 4096).decode()
    os.write(terminal, b"\x03")

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130
    assert "Traceback" not in shown
    os.close(terminal)

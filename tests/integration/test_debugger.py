"""A debugger that attaches itself to a wrapper: debugpy, which speaks VS Code's protocol."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import wait_until
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "wrappers.md"
WRAPPER = """\
from athena.sdk import Response, ResponseData, StringBodyField, WrapperBase

class Fields:
    text = StringBodyField(key="text")

class Wrapper(WrapperBase):
    requestCls = Fields()
    responseCls = Fields()

{init}
    def wrapperOnceExec(self, params, reqData):
        doubled = reqData.get("text").data * 2
        response = Response()
        response.list = [ResponseData("text", doubled)]
        return response
"""


class Editor:
    """What an editor says to a program that it debugs (the Debug Adapter Protocol)."""

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)
        wait_until(self._connects, "the debugger listens", 60)
        self._socket.settimeout(60)
        self._answers = self._socket.makefile("rb")
        self._sent = 0

    def _connects(self) -> bool:
        try:
            self._socket = socket.create_connection(self._address)
        except ConnectionRefusedError:
            return False
        return True

    def close(self) -> None:
        self._answers.close()
        self._socket.close()

    def send(self, command: str, **arguments: Any) -> int:
        self._sent += 1
        message = {"seq": self._sent, "type": "request", "command": command, "arguments": arguments}
        text = json.dumps(message).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(text), text))
        return self._sent

    def _read(self) -> dict[str, Any]:
        length = 0
        while line := self._answers.readline().strip():
            if line.startswith(b"Content-Length: "):
                length = int(line.partition(b" ")[2])
        message: dict[str, Any] = json.loads(self._answers.read(length))
        return message

    def event(self, name: str) -> Any:
        while (message := self._read()).get("event") != name:
            pass
        return message.get("body")

    def ask(self, command: str, **arguments: Any) -> Any:
        number = self.send(command, **arguments)
        while (message := self._read()).get("request_seq") != number:
            pass
        assert message["success"], message
        return message.get("body")


def shown_init(port: int) -> str:
    """Returns the method that the page shows, with another port."""
    (init,) = re.findall(r"^    def wrapperInit.*?return 0\n", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert init.count("5678") == 1
    return str(init).replace("5678", str(port))


def test_editor_stops_a_call_of_athena_run_and_looks_at_it(tmp_path: Path) -> None:
    port = free_port()
    wrapper = tmp_path / "wrapper.py"
    wrapper.write_text(WRAPPER.format(init=shown_init(port)))
    line = wrapper.read_text().splitlines().index("        response = Response()") + 1
    command = [sys.executable, "-P", "-m", "athena", "run", str(tmp_path), "--input", "text=hey"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        editor = Editor(port)
        editor.send("initialize", adapterID="test")
        editor.send("attach", connect={"host": "127.0.0.1", "port": port})
        editor.event("initialized")
        editor.ask("setBreakpoints", source={"path": str(wrapper)}, breakpoints=[{"line": line}])
        editor.ask("configurationDone")

        thread = editor.event("stopped")["threadId"]
        frame = editor.ask("stackTrace", threadId=thread)["stackFrames"][0]
        doubled = editor.ask("evaluate", expression="doubled", frameId=frame["id"])["result"]
        editor.ask("continue", threadId=thread)
        out, _ = process.communicate(timeout=60)
        editor.close()
    finally:
        process.kill()

    assert (frame["name"], frame["line"], doubled) == ("wrapperOnceExec", line, "b'heyhey'")
    assert (process.returncode, out) == (0, "text (text): heyhey\n")

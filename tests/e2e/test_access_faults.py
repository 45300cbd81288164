"""Keys, while Redis is away; and keys that stand in a file."""

import subprocess
import sys
from pathlib import Path

import pytest
import requests

from athena.cli import main
from tests.e2e.conftest import ECHO, ROOT, START_TIMEOUT_S, Stack, example, free_port, serving, wait_until
from tests.e2e.test_access import KEYS_ON, athena_keys

pytestmark = pytest.mark.e2e


def test_gateway_without_redis_refuses_nobody_and_serves_nobody() -> None:
    port = free_port()
    environment = {
        "ATHENA_REDIS_URL": f"redis://127.0.0.1:{free_port()}",
        "ATHENA_PORT": str(port),
        "ATHENA_REDIS_TIMEOUT_S": "0.5",
        **KEYS_ON,
    }
    gateway = subprocess.Popen([sys.executable, "-P", "-m", "api"], cwd=ROOT, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"

        def status(path: str, token: str = "") -> int:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            try:
                return requests.get(url + path, headers=headers, timeout=30).status_code
            except requests.ConnectionError:
                return 0

        wait_until(lambda: status("/livez") == 200, START_TIMEOUT_S, "the gateway answers")
        assert status("/readyz") == 503
        assert status("/v1/jobs", "a key that may be right") == 503
        # Without a key there is nothing to look up.
        assert status("/v1/jobs") == 401
    finally:
        gateway.terminate()
        gateway.wait(60)


def test_known_keys_open_while_redis_is_away(tmp_path: Path) -> None:
    with serving(tmp_path, ECHO, **KEYS_ON) as stack:
        key = athena_keys(stack, "create", "shop")["key"]

        def status(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return stack.get("/v1/abilities/none", headers=headers).status_code

        wait_until(lambda: status(key) == 404, 30, "the key is known")
        stack.redis_process().suspend()
        try:
            # What needs no Redis is answered, and a wrong key is still one.
            assert (status(key), status("wrong")) == (404, 401)
        finally:
            stack.redis_process().resume()
        wait_until(lambda: status(key) == 404, 60, "it goes on")


def test_keys_may_stand_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys_file = tmp_path / "keys.toml"

    def add(app_id: str) -> str:
        main(["keys", "create", app_id, "--toml"])
        output = capsys.readouterr()
        with keys_file.open("a") as file:
            file.write(output.out)
        return output.err.strip().rpartition(" ")[2]

    first = add("shop")
    with serving(tmp_path, ECHO, ATHENA_KEYS_FILE=str(keys_file)) as stack:
        assert run(stack, "shop", first) == 200
        second = add("other")
        wait_until(lambda: run(stack, "other", second) == 200, 30, "the file was read again")
        assert run(stack, "shop", second) == 400
        assert run(stack, "shop", "wrong") == 401


def run(stack: Stack, app_id: str, token: str) -> int:
    request = example("echo")
    request["header"] = {"app_id": app_id, "status": 3}
    return stack.post("/echo", request, headers={"Authorization": f"Bearer {token}"}).status_code


def test_gateway_with_a_file_that_cannot_be_read_does_not_start(tmp_path: Path) -> None:
    keys_file = tmp_path / "keys.toml"
    keys_file.write_text("[apps.shop]\nroll = 'viewer'\n")
    environment = {"ATHENA_REDIS_URL": "redis://127.0.0.1:1", "ATHENA_KEYS_FILE": str(keys_file)}

    done = subprocess.run(
        [sys.executable, "-P", "-m", "api"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert f"{keys_file}: shop: there is no member 'roll'" in done.stderr

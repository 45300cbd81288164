"""Applications and their keys in a real Redis, and `athena keys` as an operator types it."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
import redis

from athena.access.apps import Key, hash_of
from athena.access.keys_file import read_keys_file
from athena.access.minting import mint
from athena.access.scopes import Right, Role, Scopes
from athena.access.sealing import Seal
from athena.cli import main
from athena.errors import KeyStateError, NotFoundError
from athena.operations.credentials import create_app, list_apps, revoke_keys, rotate_key, set_scopes
from athena.operations.steps import Steps, run_steps
from athena.protocol.interface import Interface, Limits
from athena.store.credentials import apps_command, apps_of, version_command
from athena.store.keys import ABILITIES, APPS
from athena.store.scripts import PUT_APP, Command

pytestmark = pytest.mark.redis

T = TypeVar("T")

NOW_S = 1_800_000_000.0

SEAL_KEY = "0123456789abcdef0123456789abcdef"


class Redis:
    """Runs operations on a real Redis."""

    def __init__(self, client: Any) -> None:
        self._client = client
        client.script_load(PUT_APP.source)

    def execute(self, command: Command) -> Any:
        return self._client.execute_command(*command)

    def run(self, steps: Steps[T]) -> T:
        return run_steps(steps, self._executed)

    def _executed(self, command: Command) -> Any:
        # redis-py makes a dict of HGETALL's answer, which nobody here expects.
        reply = self.execute(command)
        return [item for pair in reply.items() for item in pair] if isinstance(reply, dict) else reply


@pytest.fixture
def server(redis_client: redis.Redis) -> Redis:
    return Redis(redis_client)


def key(name: str, expires_s: float = 0.0) -> Key:
    return Key(name, hash_of(name.encode()), "", NOW_S, expires_s)


def test_application_is_made_once(server: Redis) -> None:
    scopes = Scopes(Role.CALLER, frozenset({Right.RUN}), frozenset({"ocr"}), "low", False, False)
    made = server.run(create_app("shop", scopes, key("AK01")))

    assert server.run(list_apps()) == [made]
    with pytest.raises(KeyStateError, match="there is an application 'shop' already"):
        server.run(create_app("shop", scopes, key("AK02")))


def test_each_change_is_another_version(server: Redis) -> None:
    versions = [server.execute(version_command())]
    server.run(create_app("shop", Scopes(), key("AK01")))
    versions.append(server.execute(version_command()))
    server.run(set_scopes("shop", Scopes(Role.VIEWER)))
    versions.append(server.execute(version_command()))

    assert versions[0] is None and len(set(versions)) == 3
    version, documents = apps_of(server._executed(apps_command()))
    assert version.encode() == versions[-1] and set(documents) == {"shop"}


def test_rotation_leaves_the_key_before_for_a_while(server: Redis) -> None:
    server.run(create_app("shop", Scopes(), key("AK01")))
    app = server.run(rotate_key("shop", key("AK02"), 60, NOW_S))

    assert [(known.api_key, known.expires_s) for known in app.keys] == [("AK01", NOW_S + 60), ("AK02", 0)]
    with pytest.raises(KeyStateError, match="'shop' has 2 live keys, AK01 and AK02"):
        server.run(rotate_key("shop", key("AK03"), 60, NOW_S + 59))
    app = server.run(rotate_key("shop", key("AK03"), 60, NOW_S + 61))
    assert [known.api_key for known in app.live_keys(NOW_S + 62)] == ["AK02", "AK03"]


def test_rotation_never_makes_a_key_last_longer(server: Redis) -> None:
    server.run(create_app("shop", Scopes(), key("AK01", NOW_S + 5)))

    app = server.run(rotate_key("shop", key("AK02"), 60, NOW_S))

    assert app.keys[0].expires_s == NOW_S + 5


def test_key_or_application_is_revoked(server: Redis) -> None:
    server.run(create_app("shop", Scopes(), key("AK01")))
    server.run(rotate_key("shop", key("AK02"), 60, NOW_S))
    server.run(create_app("other", Scopes(), key("AK03")))

    assert server.run(revoke_keys("AK01", NOW_S)) == ["AK01"]
    with pytest.raises(NotFoundError, match="the key AK01 opens no more"):
        server.run(revoke_keys("AK01", NOW_S))
    assert server.run(revoke_keys("shop", NOW_S)) == ["AK02"]
    with pytest.raises(NotFoundError, match="no key and no application 'AK99'"):
        server.run(revoke_keys("AK99", NOW_S))
    live = {app.app_id: len(app.live_keys(NOW_S)) for app in server.run(list_apps())}
    assert live == {"shop": 0, "other": 1}


def test_changes_at_the_same_time_are_all_kept(redis_server: str, server: Redis) -> None:
    """Ten clients change one application, each its own member of it."""
    server.run(create_app("shop", Scopes(), key("AK00")))

    def revoke_and_add(number: int) -> None:
        with redis.Redis.from_url(redis_server, protocol=2) as client:
            own = Redis(client)
            own.run(revoke_keys(f"AK0{number}", NOW_S))

    for number in range(1, 8):
        # All but the last have expired for the rule of two, and are live for `revoke_keys` a minute before.
        server.run(rotate_key("shop", key(f"AK0{number}"), 0, NOW_S + 100 * number))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(revoke_and_add, range(8)))

    [app] = server.run(list_apps())
    assert [known.revoked_s for known in app.keys] == [NOW_S] * 8


def test_document_that_cannot_be_read_takes_no_other_along(
    server: Redis, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    server.run(create_app("shop", Scopes(), key("AK01")))
    redis_client.hset(APPS, "bad", '{"role": "boss"}')
    redis_client.hset(APPS, "worse", "{")

    assert [app.app_id for app in server.run(list_apps())] == ["shop"]
    assert "bad: role must be one of" in caplog.text and "worse: it is no JSON" in caplog.text


class Desk:
    """`athena keys` with its options for the test's Redis."""

    def __init__(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._url = url
        self._capsys = capsys

    def type(self, verb: str, *words: str) -> tuple[int, Any, str]:
        """Returns the status, what was printed as JSON, and what was said beside it."""
        status = main(["keys", verb, "--json", "--redis", self._url, *words])
        output = self._capsys.readouterr()
        return status, json.loads(output.out) if output.out else None, output.err


@pytest.fixture
def desk(
    redis_server: str,
    redis_client: redis.Redis,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:
    monkeypatch.setenv("ATHENA_SEAL_KEY", SEAL_KEY)
    return Desk(redis_server, capsys)


def test_operator_makes_rotates_and_revokes(desk: Desk, redis_client: redis.Redis) -> None:
    options = ["--ability", "ocr", "--right", "run", "--highest-lane", "low", "--no-gpu-id", "--days", "30"]
    _, made, _ = desk.type("create", "shop", *options)
    _, second, _ = desk.type("rotate", "shop", "--overlap", "1")
    _, listed, _ = desk.type("ls")

    [app] = listed
    assert (app["app_id"], app["abilities"], app["rights"]) == ("shop", ["ocr"], ["run"])
    assert [entry["state"] for entry in app["keys"]] == ["live", "live"]
    assert [entry["api_key"] for entry in app["keys"]] == [made["api_key"], second["api_key"]]
    # Nothing that opens is in Redis.
    kept = str(redis_client.hget(APPS, "shop"))
    for new in (made, second):
        assert new["key"] not in kept and new["api_secret"] not in kept
    sealed = json.loads(redis_client.hget(APPS, "shop") or b"")["keys"][0]["secret"]
    assert Seal(SEAL_KEY).open(made["api_key"], sealed) == made["api_secret"]
    assert desk.type("revoke", made["api_key"])[1] == [made["api_key"]]
    status, _, said = desk.type("create", "shop")
    assert status == 78 and "there is an application 'shop' already" in said


def test_scopes_change_and_keys_stay(desk: Desk) -> None:
    _, made, _ = desk.type("create", "shop")
    _, changed, _ = desk.type("scope", "shop", "--role", "viewer")

    assert (changed["role"], changed["keys"][0]["api_key"]) == ("viewer", made["api_key"])
    assert desk.type("scope", "nobody")[0] == 78


def test_scopes_that_are_not_named_stay(desk: Desk) -> None:
    desk.type("create", "shop", "--ability", "ocr", "--highest-lane", "low", "--no-gpu-id", "--no-exclusive")

    _, narrowed, _ = desk.type("scope", "shop", "--right", "read")
    _, widened, _ = desk.type("scope", "shop", "--ability", "*", "--gpu-id")
    status, _, said = desk.type("scope", "shop")

    limits = ("abilities", "rights", "highest_lane", "gpu_id", "exclusive")
    assert [narrowed.get(name) for name in limits] == [["ocr"], ["read"], "low", False, False]
    assert [widened.get(name) for name in limits] == [None, ["read"], "low", True, False]
    assert status == 78 and "name what is to change" in said


def test_ability_that_nobody_has_served_is_told_of(desk: Desk, redis_client: redis.Redis) -> None:
    interface = Interface("mmocr", "v1", "", (), (), (), ("cpu",), True, Limits())
    redis_client.hset(ABILITIES, "mmocr", interface.encode())
    try:
        _, _, mistyped = desk.type("create", "shop", "--ability", "mmcor", "--ability", "mmocr")
        _, _, other = desk.type("scope", "shop", "--ability", "faces")
        _, _, right = desk.type("scope", "shop", "--ability", "mmocr")
    finally:
        redis_client.hdel(ABILITIES, "mmocr")

    assert mistyped == "athena: no ability 'mmcor' was served here so far; did you mean mmocr?\n"
    assert other == "athena: no ability 'faces' was served here so far; there are: mmocr\n"
    assert right == ""


def test_without_a_seal_key_keys_cannot_sign(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATHENA_SEAL_KEY")

    _, made, said = desk.type("create", "shop")

    assert "api_secret" not in made and "it cannot sign requests" in said
    assert desk.type("ls")[1][0]["keys"][0]["signs"] is False


def test_application_for_a_file_is_printed(desk: Desk, redis_client: redis.Redis, tmp_path: Any) -> None:
    capsys = desk._capsys
    main(["keys", "create", "shop", "--toml", "--ability", "ocr"])
    output = capsys.readouterr()
    path = tmp_path / "keys.toml"
    path.write_text(output.out)

    [app] = read_keys_file(path)
    token = output.err.strip().rpartition(" ")[2]
    assert app.scopes.abilities == frozenset({"ocr"}) and app.keys[0].token_hash == hash_of(token.encode())
    assert app.keys[0].secret and not redis_client.exists(APPS)


def test_new_keys_are_kept_as_hashes() -> None:
    new = mint()

    assert new.kept("", NOW_S).token_hash == hash_of(new.token.encode())

"""A gateway's eye on how Redis is set, and who refuses to start on a wrong one."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from api.gateway.observer import GatewayObserver
from athena.errors import ConfigError
from athena.settings import from_env
from athena.store.checks import check_redis
from tests.integration.test_redis_link import connected, eventually
from tests.ports import free_port

pytestmark = pytest.mark.redis

ROOT = Path(__file__).parents[2]


@pytest.fixture
def evicting(redis_client: redis.Redis) -> Iterator[redis.Redis]:
    """A client of a server that throws keys away when memory is short."""
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    yield redis_client
    redis_client.config_set("maxmemory-policy", "noeviction")


def test_gateway_is_ready_once_the_policy_is_right(
    redis_server: str, evicting: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with connected(redis_server) as link:
            observer = GatewayObserver(from_env({}), link)
            await observer.start(30)
            await eventually(lambda: "set it to noeviction" in caplog.text, "the log says what is wrong")
            assert not observer.has_sound_redis
            evicting.config_set("maxmemory-policy", "noeviction")
            await eventually(lambda: observer.has_sound_redis, "the change is seen")
            await observer.close()

    asyncio.run(scenario())

    assert caplog.text.count("set it to noeviction") == 1


def test_wrong_policy_is_refused_with_the_remedy(redis_server: str, evicting: redis.Redis) -> None:
    with pytest.raises(ConfigError, match=r"is allkeys-lru, which throws jobs away.*CONFIG SET"):
        check_redis(redis_server)


@pytest.mark.parametrize("command", [["api"], ["worker", "abilities/echo"], ["serve"]])
def test_commands_refuse_a_wrong_policy(
    redis_server: str, evicting: redis.Redis, tmp_path: Path, command: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "athena", *command, "--redis", redis_server],
        cwd=ROOT,
        env={**os.environ, "ATHENA_PORT": str(free_port()), "ATHENA_FLOWER_PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode in (2, 78)
    assert "set it to noeviction" in done.stderr
    assert "Traceback" not in done.stderr

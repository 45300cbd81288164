"""What operators set is known soon, and stays known while Redis is away."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from api.redis import hash_watch
from api.redis.hash_watch import HashWatch
from api.redis.link import RedisLink
from athena.errors import StoreError


class Link:
    """Answers what is set, or fails."""

    def __init__(self) -> None:
        self.hashes: dict[str, list[bytes]] = {"one": [b"a", b"1"], "two": []}
        self.is_away = False
        self.asked = 0

    async def execute(self, command: tuple[Any, ...]) -> list[bytes]:
        self.asked += 1
        if self.is_away:
            raise StoreError("Redis is away")
        return self.hashes[command[1]]


async def until(link: Link, count: int) -> None:
    """Returns when so much more was asked for, and answered."""
    wanted = link.asked + count
    while link.asked < wanted:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)


def test_hashes_are_handed_over_again_and_again(monkeypatch: Any) -> None:
    monkeypatch.setattr(hash_watch, "LOOK_S", 0)
    link, known = Link(), dict[str, Mapping[bytes, bytes]]()
    takers = {name: lambda raw, name=name: known.update({name: raw}) for name in ("one", "two")}

    async def play() -> None:
        watch = HashWatch(cast(RedisLink, link), takers)
        await watch.start(5)
        assert known == {"one": {b"a": b"1"}, "two": {}}
        link.hashes["two"] = [b"b", b"2"]
        await until(link, 4)
        assert known["two"] == {b"b": b"2"}
        link.is_away, link.hashes["one"] = True, []
        await until(link, 4)
        assert known["one"] == {b"a": b"1"}
        link.is_away = False
        await until(link, 4)
        assert known["one"] == {}
        await watch.close()

    asyncio.run(play())


def test_start_goes_on_without_redis(monkeypatch: Any) -> None:
    link = Link()
    link.is_away = True

    async def play() -> None:
        watch = HashWatch(cast(RedisLink, link), {"one": lambda raw: None})
        await watch.start(0.01)
        await watch.close()

    asyncio.run(asyncio.wait_for(play(), 20))

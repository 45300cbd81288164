"""Which version of an ability answers a request that may go to any. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

import orjson

from athena.errors import ConfigError
from athena.protocol.paths import SIDE_VERSION, is_side, main_of, side_id

#: What has a share: of all requests, or of all applications.
BY_REQUEST, BY_APP = "request", "app"

ALL = 100.0

#: Shares are kept to a hundredth of a percent.
DIGITS = 2


@dataclass(frozen=True)
class TrafficSplit:
    """How the requests for any version are divided; what is not named goes to the main version.

    Attributes:
        percents: side version -> its share.
        apps: app_id -> the side version that all of its requests go to.
        by: whether a share is one of requests or of applications.
    """

    percents: Mapping[str, float] = field(default_factory=dict)
    apps: Mapping[str, str] = field(default_factory=dict)
    by: str = BY_REQUEST

    @property
    def versions(self) -> list[str]:
        """The side versions that may get requests."""
        return sorted({*self.percents, *self.apps.values()})

    @property
    def main_percent(self) -> float:
        """The share of the main version."""
        return round(ALL - sum(self.percents.values()), DIGITS)

    def version_for(self, service_id: str, app_id: str, request_id: str, chance: float) -> str:
        """Returns the side version for a request; "" for the main one.

        A request_id has its version for as long as no share shrinks; so has, where shares are those of
        applications, an app.

        Args:
            service_id: of the ability.
            app_id: whose request it is.
            request_id: its caller's own id; "" for none.
            chance: from 0 to less than 1, by which a request is drawn that has none.
        """
        if app_id in self.apps:
            return self.apps[app_id]
        if self.by == BY_APP:
            chance = _drawn(service_id, app_id)
        elif request_id:
            chance = _drawn(service_id, app_id, request_id)
        limit = 0.0
        for version, percent in sorted(self.percents.items()):
            limit += percent
            if ALL * chance < limit:
                return version
        return ""

    def share_of(self, service_id: str) -> float:
        """Returns the share of a version, in percent."""
        if not is_side(service_id):
            return self.main_percent
        own = {side_id(main_of(service_id), version): share for version, share in self.percents.items()}
        return own.get(service_id, 0.0)

    def without(self, service_id: str) -> "TrafficSplit":
        """Returns it without a side version, whose share goes to the main one."""
        main_id = main_of(service_id)
        return replace(
            self,
            percents={v: share for v, share in self.percents.items() if side_id(main_id, v) != service_id},
            apps={app_id: v for app_id, v in self.apps.items() if side_id(main_id, v) != service_id},
        )

    def text(self) -> str:
        """Returns it in the words of the command that sets it."""
        shares = [f"{version}={percent:g}%" for version, percent in sorted(self.percents.items())]
        apps = [f"--app {app_id}={version}" for app_id, version in sorted(self.apps.items())]
        return " ".join([*shares, *apps, f"--by {self.by}"])

    def document(self) -> dict[str, Any]:
        """Returns it as it is shown and kept."""
        return {"percents": dict(self.percents), "apps": dict(self.apps), "by": self.by}

    def encode(self) -> bytes:
        """Returns it as JSON."""
        return orjson.dumps(self.document(), option=orjson.OPT_SORT_KEYS)


def decode_split(raw: bytes) -> TrafficSplit:
    """Reads what `TrafficSplit.encode` wrote.

    Raises:
        ValueError: it did not.
    """
    try:
        return read_split(orjson.loads(raw))
    except ConfigError as error:
        raise ValueError(error.message) from None


def read_split(document: Any) -> TrafficSplit:
    """Reads a split.

    Raises:
        ConfigError: it is none; the message says where.
    """
    if not isinstance(document, dict) or not document.keys() <= {"percents", "apps", "by"}:
        raise ConfigError("shares must be an object with percents, apps and by")
    percents, apps = document.get("percents", {}), document.get("apps", {})
    if not isinstance(percents, dict) or not isinstance(apps, dict):
        raise ConfigError("percents and apps must be objects")
    for version in (*percents, *apps.values()):
        if not isinstance(version, str) or not SIDE_VERSION.fullmatch(version):
            raise ConfigError(f"{version!r} is no version: 1 to 32 letters, digits, '-' or '_'")
    for version, percent in percents.items():
        if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= ALL:
            raise ConfigError(f"the share of {version} must be a number from 0 to 100, got {percent!r}")
    if sum(percents.values()) > ALL:
        raise ConfigError(f"shares must come to 100 % at most, got {sum(percents.values()):g} %")
    if document.get("by", BY_REQUEST) not in (BY_REQUEST, BY_APP):
        raise ConfigError(f"by must be {BY_REQUEST!r} or {BY_APP!r}, got {document['by']!r}")
    rounded = {version: round(float(percent), DIGITS) for version, percent in percents.items()}
    return TrafficSplit(rounded, dict(apps), document.get("by", BY_REQUEST))


def side_versions(service_id: str, known: Iterable[str]) -> list[str]:
    """Returns the side versions of an ability among service_ids."""
    return sorted(name for name in known if is_side(name) and main_of(name) == service_id)


def _drawn(*words: str) -> float:
    """Returns the same number from 0 to less than 1 for the same words, everywhere."""
    text = "\0".join(words).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=6).digest()) / 2**48

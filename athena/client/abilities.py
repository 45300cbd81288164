"""What a gateway says of an ability, as far as its answers cannot be read without."""

import math
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from athena.client.exchange import Answer, Ask
from athena.client.outputs import OutputShape, Shapes

#: The type of texts (docs/protocol.md, 1.2).
_TEXT = 0


def ask_for_ability(service_id: str) -> Ask:
    """Returns the request that asks for an ability."""
    return Ask("GET", f"/v1/abilities/{quote(service_id, safe='')}")


def shapes_of(described: Mapping[str, Any]) -> dict[str, OutputShape]:
    """Returns the shapes of the outputs that an ability declares."""
    return {
        item["key"]: OutputShape(item.get("type", _TEXT) == _TEXT, bool(item.get("is_json")))
        for item in described.get("outputs", ())
    }


#: An ability may be served in another version by then.
KEPT_S = 60.0


class KnownShapes:
    """The outputs of the abilities that a client has called; each is asked for once in a while."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._shapes: dict[str, tuple[float, Shapes]] = {}

    def of(self, service_id: str, names: Mapping[str, Any]) -> Shapes | None:
        """Returns an ability's outputs; None where these names are not among them, or it is long ago."""
        learned_s, shapes = self._shapes.get(service_id, (-math.inf, {}))
        is_fresh = self._clock() - learned_s < KEPT_S
        return shapes if is_fresh and names.keys() <= shapes.keys() else None

    def learn(self, service_id: str, answer: Answer) -> Shapes:
        """Takes in what a gateway has said of an ability, and returns its outputs."""
        described = answer.document() if answer.status == 200 else None
        shapes = shapes_of(described) if isinstance(described, dict) else {}
        self._shapes[service_id] = self._clock(), shapes
        return shapes

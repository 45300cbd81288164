"""deploy/helm/athena/README.md: what each value does, as the chart's schema tells."""

import json
from collections.abc import Iterator
from typing import Any

import yaml

from tests.chart.objects import CHART
from tests.pages.markdown import code, note, table

INTRO = """\
# The chart `athena`

[docs/kubernetes.md](../../../docs/kubernetes.md) says how it is used. A value that is not in this table is
refused, so that a typo does not pass for one.
"""

ABILITIES = """\
Each entry of `abilities` has the values of `abilityDefaults`, an `image`, and `pools`, each with the values
of `abilityDefaults.pool`. A name is at most 20 small letters, digits and `-`.
"""


def render() -> str:
    """Returns the page."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = ((code(path), _shown(default), text) for path, default, text in _rows(schema, schema, values, ""))
    shown = table(("value", "default", "meaning"), rows)
    return "\n".join([note("values.schema.json", "values.yaml"), INTRO, shown, ABILITIES])


def _rows(schema: Any, part: Any, values: Any, path: str) -> Iterator[tuple[str, Any, str]]:
    if "$ref" in part and "description" not in part:
        part = _definition(schema, part["$ref"])
    inner = part.get("properties") or _definition(schema, part.get("$ref", "")).get("properties", {})
    text = part.get("description", "")
    if text:
        yield path, values, text
    # An image or a key of a Secret is one value for whoever reads.
    if text and "pool" not in path.rpartition(".")[2]:
        return
    for name, item in inner.items():
        yield from _rows(schema, item, values[name], f"{path}.{name}".lstrip("."))


def _definition(schema: Any, reference: str) -> Any:
    found = schema if reference else {}
    for name in reference.removeprefix("#/").split("/") if reference else ():
        found = found[name]
    return found


def _shown(default: Any) -> str:
    if default in ("", [], {}, None):
        return ""
    if isinstance(default, dict):
        return code(json.dumps(default)) if len(json.dumps(default)) < 90 else "see `values.yaml`"
    return code(default if isinstance(default, str) else json.dumps(default))

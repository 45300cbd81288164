"""The answer that an ability's example must get: reads `golden.json` beside it."""

from pathlib import Path
from typing import Any

import orjson

from athena.errors import ConfigError


def read_golden(path: Path) -> dict[str, Any] | None:
    """Returns the payload of the right answer; None if the file is not there, or is of another form.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        document = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}; mend it, or take it away") from None
    is_payload = isinstance(document, dict) and all(isinstance(item, dict) for item in document.values())
    return document if is_payload else None

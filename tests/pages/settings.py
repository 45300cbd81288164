"""docs/settings.md."""

from athena.setting_listing import setting_table
from tests.pages.markdown import code, note, table

INTRO = """\
# Settings

Each setting is an environment variable, read once at start. A value that cannot be used keeps the process from
starting, and the message names the variable.

- A variable with `_FILE` at its end names a file that holds the value, for secrets:
  `ATHENA_REDIS_URL_FILE=redis-url.txt`.
- Options of a command win over the environment: [cli.md](cli.md).
- Times are seconds, sizes bytes.
- What one ability sets for itself is in its `ability.toml`: [ability.md](ability.md).
"""


def render() -> str:
    """Returns the page."""
    rows = ((code(row.variable), code(row.default) or "empty", row.help) for row in setting_table())
    return "\n".join([note("athena/settings.py"), INTRO, table(("variable", "default", "meaning"), rows)])

"""From one version to another and back under load: `python -m tests.upgrade --old REVISION`.

`--next-format` goes from this folder to a copy whose queue messages it does not read, and back.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.redis_servers import PASSWORD, Server
from tests.upgrade.builds import Build, of_revision, of_the_next_format, of_this_folder
from tests.upgrade.steps import Fleet
from tests.upgrade.traffic import Traffic


def main() -> int:
    """Goes there and back; the exit status is 1 if a request failed."""
    options = parse()
    with tempfile.TemporaryDirectory(prefix="athena-upgrade-") as name:
        folder = Path(name)
        if options.next_format:
            (folder / "next").mkdir()
            old, new = of_this_folder(), of_the_next_format(folder / "next")
        else:
            old, new = of_revision(options.old), of_this_folder()
        failures = there_and_back(old, new, folder, options)
    for line in failures[:20]:
        print(f"failed: {line}")
    return 1 if failures else 0


def there_and_back(old: Build, new: Build, folder: Path, options: argparse.Namespace) -> list[str]:
    """Returns what failed."""
    began_s = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began_s:6.1f} s  {what}", file=sys.stderr, flush=True)

    with Server(folder, PASSWORD, "--appendonly", "yes") as redis:
        url = f"redis://:{PASSWORD.replace('@', '%40').replace('/', '%2F')}@127.0.0.1:{redis.port}/0"
        fleet = Fleet(old, url, folder, say, options.rest)
        traffic = Traffic(fleet.rotation, options.callers)
        try:
            fleet.upgrade(new)
            fleet.go_back(old)
        finally:
            traffic.stop()
            fleet.kill()
    asked, queued = traffic.counts["asked"], traffic.counts["queued"]
    print(
        f"{old.name} to {new.name} and back in {time.monotonic() - began_s:.0f} s: "
        f"{asked} requests and {queued} queued jobs, {len(traffic.failures)} failed or lost"
    )
    return traffic.failures


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--old", metavar="REVISION", help="the version before")
    parser.add_argument(
        "--next-format", action="store_true", help="to messages that this version does not read"
    )
    parser.add_argument("--callers", type=int, default=6)
    parser.add_argument("--rest", type=float, default=3, help="seconds after each step")
    options = parser.parse_args()
    if bool(options.old) == options.next_format:
        parser.error("one of --old and --next-format")
    return options


if __name__ == "__main__":
    sys.exit(main())

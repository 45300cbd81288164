"""Moments and durations, as operators type and read them."""

import argparse
import re
from datetime import UTC, datetime, timedelta

_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d{1,6})\s*(s|m|min|h|d)")


def moment(text: str) -> datetime:
    """Returns a moment, from `10m` for ten minutes ago, or an ISO time.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    duration = _DURATION.fullmatch(text)
    try:
        if duration:
            return datetime.now(UTC) - timedelta(seconds=int(duration[1]) * _SECONDS[duration[2]])
        # Without an offset it is this host's time, which an operator reads from the clock.
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: 10m, 2h, 1d, or 2026-11-29T03:00:00+01:00"
        ) from None


def duration_s(text: str) -> float:
    """Returns a duration in seconds, from `90`, `10m`, `2h` or `1d`.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    duration = _DURATION.fullmatch(text if text[-1:].isalpha() else f"{text}s")
    if not duration:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: 90, 10m, 2h, 1d")
    return float(int(duration[1]) * _SECONDS[duration[2]])


def moment_ms(text: str) -> int:
    """Returns a moment in milliseconds since 1970 (see `moment`)."""
    return int(moment(text).timestamp() * 1000)


def took_text(took_ms: float) -> str:
    """Returns a duration in the two units that tell it best."""
    if took_ms < 1000:
        return f"{took_ms:.0f} ms"
    if took_ms < 60_000:
        return f"{took_ms / 1000:.1f} s"
    minutes, seconds = divmod(int(took_ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def clock_text(at_ms: int) -> str:
    """Returns a moment as this host's clock shows it, to the millisecond, with its offset."""
    return datetime.fromtimestamp(at_ms / 1000).astimezone().isoformat(" ", timespec="milliseconds")

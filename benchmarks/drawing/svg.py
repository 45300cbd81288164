"""Pieces of SVG; no drawing library is needed."""

from collections.abc import Sequence
from html import escape

GRID, TEXT = "#dddddd", "#222222"


def box(left: float, top: float, width: float, height: float, color: str) -> str:
    """Returns a filled rectangle."""
    size = f'width="{width:.1f}" height="{max(0.0, height):.1f}"'
    return f'<rect x="{left:.1f}" y="{top:.1f}" {size} fill="{color}"/>'


def line(start: tuple[float, float], end: tuple[float, float], color: str = GRID, more: str = "") -> str:
    """Returns a straight line."""
    ends = f'x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
    return f'<line {ends} stroke="{color}" {more}/>'


def text(
    left: float, top: float, words: str, anchor: str, size: int = 12, color: str = TEXT, more: str = ""
) -> str:
    """Returns a line of text."""
    place = f'x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text {place} fill="{color}" {more}>{escape(words)}</text>'


def document(parts: Sequence[str], width: float, height: float) -> str:
    """Returns a whole file."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="sans-serif">'
    )
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>", ""])

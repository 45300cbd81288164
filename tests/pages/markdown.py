"""What pages are made of."""

from collections.abc import Iterable


def note(*sources: str) -> str:
    """Returns the line that tells who writes a page."""
    listed = " and ".join(f"`{source}`" for source in sources)
    return f"<!-- `make docs` writes this page from {listed} -->"


def code(text: str) -> str:
    """Returns a text as code; nothing for an empty one."""
    return f"`{text}`" if text else ""


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Returns a table; a `|` in a cell is escaped."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def sentence(text: str) -> str:
    """Returns a text that begins with a capital letter and ends with a stop."""
    text = text.strip()
    if text[:1].islower() and not text.startswith("athena"):
        text = text[0].upper() + text[1:]
    return text if not text or text.endswith((".", "!", "?", ":")) else f"{text}."

"""`python -m tests.pages`: renews the pages that are written from the code."""

from tests.house import ROOT
from tests.pages.list import PAGES


def main() -> None:
    """Writes each page that is not as the code is, and says which."""
    for name, render in PAGES.items():
        path = ROOT / name
        text = render()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"renewed {name}")


if __name__ == "__main__":
    main()

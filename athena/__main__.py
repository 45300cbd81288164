"""`python -m athena`."""

import sys

from athena.cli import main

if __name__ == "__main__":
    sys.exit(main())

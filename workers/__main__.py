"""`python -m workers` (what supervisors start)."""

import sys

from workers.process import main

if __name__ == "__main__":
    sys.exit(main())

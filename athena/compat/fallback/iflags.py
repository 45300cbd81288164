"""Where some wrappers of the first generation import `flags` from."""

import flags

__all__ = ["flags"]

"""Runs a module of Athena in a Python that has packages of its own: `bootstrap.py FOLDERS -m MODULE`.

Run by its path, before anything of ours can be imported; FOLDERS hold what Athena brings.
"""

import os
import runpy
import site
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Becomes the module."""
    folders, _, module, *words = arguments
    for folder in folders.split(os.pathsep):
        # Behind what is there already: the packages of the ability win.
        site.addsitedir(folder)
    sys.argv[1:] = words
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])

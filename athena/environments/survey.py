"""Prints what a Python is, and which packages it has, as JSON: `python survey.py`.

Run by its path, in whatever Python somebody named: one that is too old is to say so like the others.
"""

import json
import sys
import sysconfig


def survey() -> "dict[str, object]":
    """Returns version, binary interface and packages: name -> [version, what it asks for]."""
    return {
        "version": sys.version.split()[0],
        "abi": sysconfig.get_config_var("SOABI") or "",
        "packages": packages() if sys.version_info >= (3, 8) else {},
    }


def packages() -> "dict[str, object]":
    """Returns the packages that an import finds."""
    from importlib.metadata import distributions

    found: dict[str, object] = {}
    for item in distributions():
        # The first one on the path is the one that is imported.
        found.setdefault(item.metadata["Name"] or "", [item.version, list(item.requires or ())])
    return found


if __name__ == "__main__":
    print(json.dumps(survey()))

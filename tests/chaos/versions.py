"""Other versions of this project, installed beside it."""

from benchmarks.builds import install
from benchmarks.contestants import build_python


def python_of(revision: str) -> str:
    """Installs a revision as a user does, once, and returns its interpreter.

    Raises:
        SystemExit: there is no such revision, or it cannot be installed.
    """
    name = f"chaos-{revision}"
    install(name, revision)
    return str(build_python(name))

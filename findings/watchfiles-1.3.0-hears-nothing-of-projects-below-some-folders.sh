#!/usr/bin/env bash
# watchfiles 1.3.0: the filter that `watch` has by default looks at every part of a changed file's absolute path, and not
# only at those below the folder that is watched. So a project that lies below a folder named `.venv`, as pip's checkouts
# of `pip install -e git+…` do (`.venv/src/NAME`), or below `node_modules`, `.tox` or `.git`, is watched without a word and
# nothing of it is ever told. With `watch_filter=None` the same change is told; so is it where the project lies elsewhere.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv env
env/bin/pip install --quiet --disable-pip-version-check watchfiles==1.3.0 anyio==4.16.0
cat >ask.py <<'END'
import threading
from pathlib import Path

from watchfiles import DefaultFilter, watch


def told(project, watch_filter):
    """Returns the names of changed files that are told within two seconds of a change."""
    project.mkdir(parents=True, exist_ok=True)
    looks = watch(project, watch_filter=watch_filter, rust_timeout=500, yield_on_timeout=True)
    next(looks)  # From here on it watches.
    threading.Timer(0.2, (project / "app.py").write_text, ("changed",)).start()
    names = set()
    for _, changes in zip(range(4), looks):
        names |= {Path(path).name for _, path in changes}
    return sorted(names)


here = Path.cwd()
for project in (here / "src" / "app", here / ".venv" / "src" / "app"):
    print(project.relative_to(here), told(project, DefaultFilter()), told(project, None))
END
seen=$(env/bin/python ask.py)
echo "$seen"
[ "$seen" = "src/app ['app.py'] ['app.py']
.venv/src/app [] ['app.py']" ]

#!/usr/bin/env bash
# Celery 5.7.0: with two applications in one process, `@second.task(name="answer")` does not register its function in
# `second` when `first` has a task of that name. By default a task is shared with every application that is finalized
# later (`shared=True`), and the shared one is registered before the application's own. So the function that was
# decorated for `second`, called by its own name, runs the one of `first`; 5.7 says so in a DuplicateTaskNameWarning,
# earlier versions say nothing. With `shared=False` each application has its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check celery==5.7.0 kombu==5.7.0
cat >two.py <<'END'
import warnings

from celery import Celery

warnings.simplefilter("ignore")


def ask(shared):
    first = Celery("first", broker="memory://", set_as_current=False)
    second = Celery("second", broker="memory://", set_as_current=False)
    name = f"answer-{shared}"

    @first.task(name=name, shared=shared)
    def of_first():
        return "first"

    @second.task(name=name, shared=shared)
    def of_second():
        return "second"

    return f"{first.tasks[name]()} {second.tasks[name]()} {of_second()}"


print(f"shared: {ask(True)}; not shared: {ask(False)}")
END
seen=$(venv/bin/python two.py)
echo "$seen"
[ "$seen" = "shared: first first first; not shared: first second second" ]

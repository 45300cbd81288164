#!/usr/bin/env bash
# Kombu 5.7.0 asks for the package tzdata on Windows alone (`tzdata; sys_platform == "win32"`). A Linux without files of time zones,
# as Debian's essential packages make one, has none either: there `Celery("x").now()`, which a worker calls when it starts, ends
# with ZoneInfoNotFoundError: 'No time zone found with key UTC'. An empty PYTHONTZPATH stands for such a system here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check celery==5.7.0 kombu==5.7.0
venv/bin/pip list --disable-pip-version-check | grep -i tzdata && { echo "not seen: tzdata was installed"; exit 1; }
PYTHONTZPATH='' venv/bin/python -c 'from celery import Celery; print(Celery("x").now())' 2>&1 | tail -n 1 | tee answer || true
grep -q "No time zone found with key UTC" answer && echo "seen"

#!/usr/bin/env bash
# Werkzeug 3.1.9 leaves a reference cycle of 8 objects each time it matches a URL (a nested function that calls itself, its cells and
# a set): they are not free before the cyclic garbage collector has run. A Flask application that counts as free of cycles is
# none, and one that turns the collector off (`gc.disable()`, for even latencies) grows by some 700 bytes with every request.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check werkzeug==3.1.9
cat >matches.py <<'END'
import gc
import tracemalloc

from werkzeug.routing import Map, Rule

urls = Map([Rule("/jobs/<id>", endpoint="job"), Rule("/livez", endpoint="livez")]).bind("example.org")
urls.match("/livez")
gc.collect()
gc.disable()
tracemalloc.start()
before = tracemalloc.get_traced_memory()[0]
for _ in range(1000):
    urls.match("/livez")
grown = tracemalloc.get_traced_memory()[0] - before
print(f"1000 matches: {grown / 1000:.0f} bytes each not free, {gc.collect()} objects in cycles")
END
venv/bin/python matches.py | tee answer
grep -q " 8000 objects in cycles" answer && echo "seen"

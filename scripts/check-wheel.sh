#!/usr/bin/env bash
# Installs the wheel as a user would, without the development tools, and imports what it starts: scripts/check-wheel.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

make build >"$folder/build.log" 2>&1 || { cat "$folder/build.log"; exit 1; }
wheel=$(ls -t "$PWD"/dist/*.whl | head -n 1)
constraints=$PWD/constraints.txt
.venv/bin/python -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$wheel[embedded]" -c "$constraints"
mkdir "$folder/echo"
cp abilities/echo/{wrapper.py,ability.toml,example.json} "$folder/echo"
cd "$folder"
venv/bin/athena --version
venv/bin/python -c 'import api.app, workers.process, athena.cli.serve'
venv/bin/python -c 'from api.page.assets import load_assets; assert {"index.html", "static/vendor/preact.mjs"} <= {*load_assets()}'
venv/bin/athena schema echo >/dev/null
venv/bin/athena create words >/dev/null
venv/bin/athena check words >/dev/null
venv/bin/athena pack words --out words.tar.gz >/dev/null
# What it packs of itself is what it was installed from, but for the licence's text.
tar -xzf words.tar.gz --wildcards 'wheels/*.whl'
venv/bin/python - "$wheel" wheels/*.whl <<'COMPARE'
import sys
import zipfile

built, packed = ({name for name in zipfile.ZipFile(path).namelist() if "/licenses/" not in name} for path in sys.argv[1:])
assert built == packed, built ^ packed
COMPARE
(cd words && ../venv/bin/python wrapper.py && ../venv/bin/python -m aiges run >/dev/null)
echo "athena: the wheel works"

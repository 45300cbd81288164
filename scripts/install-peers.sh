#!/usr/bin/env bash
# The systems that the benchmark compares with, each in an environment of its own under .bench/:
# `install-peers.sh [PEER...]`, all without arguments. One that is there already costs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/apt.sh

PEERS=(bentoml celery litserve mosec ray)

# The same Python as Athena's, so that the interpreter is no difference between the two.
python=${PYTHON:-.venv/bin/python}

main() {
    local peer folder requirements
    [ $# -gt 0 ] || set -- "${PEERS[@]}"
    need_command wrk wrk
    scripts/install-cc.sh
    for peer in "$@"; do
        folder=.bench/$peer requirements=benchmarks/peers/$peer.txt
        # An environment holds absolute paths, so one that came here with a copied tree is stale.
        if [ "$(cat "$folder/.root" 2>/dev/null)" = "$PWD" ] && cmp -s "$requirements" "$folder/.done"; then
            continue
        fi
        echo "athena: installing $peer into $folder (once, a minute) ..." >&2
        rm -rf "$folder"
        mkdir -p .bench
        "$(readlink -f $python)" -m venv "$folder"
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
        echo "$PWD" >"$folder/.root"
        cp "$requirements" "$folder/.done"
    done
}

main "$@"

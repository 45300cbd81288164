#!/usr/bin/env bash
# Creates .venv and installs Athena into it: `install.sh serve` what running it takes,
# `install.sh dev` the development tools too.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "athena: $*" >&2
    exit 1
}

# Runs each candidate: a version manager may put a command on PATH that only prints an error.
find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3 python3.13 python3.14; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# Debian ships ensurepip, without which an environment has no pip, in a package of its own.
create_venv() {
    local python version
    python=$(find_python) ||
        fail "needs Python 3.11 or newer with its venv module: apt-get install python3 python3-venv"
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "Python $version cannot create environments: apt-get install python$version-venv"
    rm -rf .venv
    "$python" -m venv .venv
    echo "$PWD" >.venv/.root
}

usable_venv() {
    [ "$(cat .venv/.root 2>/dev/null)" = "$PWD" ] && .venv/bin/python -m pip --version >/dev/null 2>&1
}

# The wheels of onnxruntime-gpu are for x86-64 alone.
has_nvidia_gpu() {
    [ "$(uname -m)" = x86_64 ] || return 1
    [ -e /proc/driver/nvidia/version ] || nvidia-smi -L >/dev/null 2>&1
}

# onnxruntime and onnxruntime-gpu install the same module, so the other one has to go first.
remove_package() {
    if .venv/bin/python -m pip show --quiet "$1" 2>/dev/null; then
        .venv/bin/python -m pip uninstall --quiet --yes "$1"
    fi
}

# Says which file comes and how large it is; a large one takes a minute, in which nothing else would be seen.
show_downloads() {
    sed -un -E 's#^ *(Downloading|Using cached) ([^ ]*/)?([^ /]+\.(whl|zip|tar\.gz)) \((.*)\).*#athena:   \3 (\5)#p' >&2
}

main() {
    local purpose=${1:-serve} extras=cpu other=onnxruntime-gpu
    usable_venv || create_venv
    if has_nvidia_gpu; then
        extras=gpu other=onnxruntime
    fi
    remove_package "$other"
    extras+=,embedded
    if [ "$purpose" = dev ]; then
        extras+=,dev,otel,bundle
    fi
    echo "athena: installing [$extras] into .venv (once, a minute or two) ..." >&2
    .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off \
        --constraint constraints.txt --editable ".[$extras]" | show_downloads
    touch .venv/.serve
    if [ "$purpose" = dev ]; then
        touch .venv/.dev
    fi
}

main "$@"

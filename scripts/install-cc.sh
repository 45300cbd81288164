#!/usr/bin/env bash
# Installs a C compiler, with which the tests build their stand-in for NVIDIA's library.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/apt.sh"

if ! command -v cc >/dev/null || ! echo '#include <stdio.h>' | cc -fsyntax-only -xc - 2>/dev/null; then
    apt_install gcc libc6-dev
fi

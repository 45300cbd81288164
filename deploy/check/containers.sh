# Sourced by the checks that need containers: podman and buildah with a store of their own below .tools/deploy, and with
# settings that were tried out, not assumed: what a machine allows its containers differs.
. scripts/apt.sh
. deploy/check/table.sh

export STORE=$PWD/.tools/deploy
export CONTAINERS_CONF=$STORE/containers.conf CONTAINERS_STORAGE_CONF=$STORE/storage.conf
export ENGINE=buildah BUILD_OPTIONS="--isolation chroot --network host"
export BASE=localhost/athena-base:bookworm WHEELS=$STORE/wheels TAG=check

# What a container of ours may do: nothing.
CONFINED=(--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges)

install_containers() {
    [ "$(id -u)" = 0 ] || skip "needs root"
    need_command buildah buildah && need_command podman podman && need_command runc runc &&
        need_command netavark /usr/lib/podman/netavark && need_command aardvark-dns /usr/lib/podman/aardvark-dns &&
        need_command iptables iptables && need_command curl curl ||
        skip "buildah and podman cannot be installed"
}

write_storage() {
    mkdir -p "$STORE"
    printf '[storage]\ndriver = "overlay"\ngraphroot = "%s/containers"\nrunroot = "/run/athena-check"\n' "$STORE" \
        >"$CONTAINERS_STORAGE_CONF"
    : >"$CONTAINERS_CONF"
}

# The runtime that starts a container here, and the limits that it may have: some machines allow less than they say.
choose_runtime() {
    local runtime processes files
    files=$(ulimit -Hn)
    for runtime in crun runc; do
        for processes in 65536 10000; do
            printf '[containers]\ndefault_ulimits = ["nofile=%s:%s", "nproc=%s:%s"]\n' \
                "$files" "$files" "$processes" "$processes" >"$CONTAINERS_CONF"
            printf '[engine]\nruntime = "%s"\ncgroup_manager = "cgroupfs"\n' "$runtime" >>"$CONTAINERS_CONF"
            if command -v "$runtime" >/dev/null && podman run --rm "$BASE" true 2>"$STORE/runtime.log"; then
                PROCESSES=$processes
                return
            fi
        done
    done
    skip "no container starts here: $(tail -n 1 "$STORE/runtime.log")"
}

# The base image and the wheels, made once; the Athena in them is that of this folder each time.
prepare_images() {
    write_storage
    podman image exists "$BASE" || deploy/images/base.sh >&2
    choose_runtime
    if ! cat constraints.txt setup.cfg | cmp -s - "$WHEELS.made-of"; then
        rm -rf "$WHEELS"
        deploy/images/wheelhouse.sh "$WHEELS"
        cat constraints.txt setup.cfg >"$WHEELS.made-of"
    fi
    rm -f "$WHEELS"/athena_serving-*.whl
    .venv/bin/python -c 'import sys
from pathlib import Path
from athena.cli.ship.own_wheel import write_own_wheel
write_own_wheel(Path(sys.argv[1]))' "$WHEELS"
}

# ended_well CONTAINER NAME: its exit status has to be 0; else what it said last is shown.
ended_well() {
    local status
    status=$(podman inspect --format '{{.State.ExitCode}}' "$1")
    [ "$status" = 0 ] || {
        podman logs --tail 20 "$1" >&2
        fail "$2 ends with $status"
    }
}

# build_offline TARGET...: without any network but its own. REUSE=1 takes what an earlier run has built.
build_offline() {
    [ -z "${REUSE:-}" ] || return 0
    unshare --net deploy/images/build.sh "$@"
}

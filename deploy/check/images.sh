#!/usr/bin/env bash
# The images, built without a network, started as they are to be run, and called: deploy/check/images.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/check/containers.sh

NETWORK=athena-check-$$
USER_ID=23456

started=()
clean_up() {
    [ ${#started[@]} -eq 0 ] || podman rm --force --time 1 --volumes "${started[@]}" >/dev/null
    podman network rm --force "$NETWORK" >/dev/null 2>&1 || true
    rm -rf "$folder"
}
folder=$(mktemp -d)
trap clean_up EXIT

# start NAME IMAGE [OPTION...] -- [COMMAND...]: as any user of group 0, who may write nothing but /tmp and volumes.
start() {
    local name=$1 image=$2
    local -a options=()
    shift 2
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    started+=("$NETWORK-$name")
    podman run --detach --name "$NETWORK-$name" --network "$NETWORK" --network-alias "$name" --user "$USER_ID:0" \
        "${CONFINED[@]}" --env ATHENA_REDIS_URL=redis://redis:6379/0 "${options[@]}" "$image" "$@" >/dev/null
}

# holds IMAGE COMMAND: whether it succeeds inside.
holds() {
    podman run --rm --network none "$1" sh -c "$2" >/dev/null 2>&1
}

check_contents() {
    ! holds "localhost/athena-gateway:$TAG" 'command -v pip cc gcc make git apt-get' || fail "the gateway has tools"
    ! holds "localhost/athena-gateway:$TAG" 'python -c "import cv2"' || fail "the gateway has OCR libraries"
    holds "localhost/athena-worker-ocr:$TAG" 'python -c "import cv2"' || fail "the OCR worker has no OCR libraries"
    [ "$(podman image inspect --format '{{.User}}' "localhost/athena-gateway:$TAG")" = 10001:0 ] || fail "runs as root"
    row "gateway holds" "no pip, compiler, apt-get, OCR library; user 10001:0"
}

start_all() {
    local began=$SECONDS
    podman network create "$NETWORK" >/dev/null
    start redis "localhost/athena-redis:$TAG" --
    start worker "localhost/athena-worker:$TAG" --volume "$PWD/abilities/echo:/srv/athena/abilities/echo:ro" --
    start gateway "localhost/athena-gateway:$TAG" --publish "127.0.0.1:$port:30889" --
    eventually 120 answers "$url" echo || {
        podman logs "$NETWORK-gateway" "$NETWORK-worker" >&2
        fail "echo does not answer: $(call "$url" echo)"
    }
    row "echo answers" "after $((SECONDS - began)) s: read-only root, user $USER_ID:0, no capabilities"
    local name
    for name in gateway redis worker; do
        podman healthcheck run "$NETWORK-$name" >/dev/null || fail "the health check of $name"
    done
    row "health checks" "gateway, Redis and worker pass"
}

check_ocr() {
    local began=$SECONDS
    start ocr "localhost/athena-worker-ocr:$TAG" --
    eventually 180 answers "$url" mmocr || fail "mmocr does not answer: $(call "$url" mmocr)"
    row "mmocr answers" "$((SECONDS - began)) s after its start"
}

check_packed() {
    .venv/bin/athena create words --path "$folder" >/dev/null
    .venv/bin/athena pack "$folder/words" --out "$folder/words.tar.gz" >/dev/null
    mkdir "$folder/context"
    tar -xzf "$folder/words.tar.gz" -C "$folder/context"
    # It is built on the worker of this version, and has all that it needs.
    unshare --net buildah bud --format docker --isolation chroot --network host --layers \
        --build-arg "BASE=localhost/athena-worker:$TAG" --tag "localhost/words:$TAG" "$folder/context" >"$folder/build.log" 2>&1 ||
        { cat "$folder/build.log" >&2; fail "the image of athena pack does not build"; }
    start words "localhost/words:$TAG" --
    eventually 120 curl --silent --fail --output /dev/null "$url/words?app_id=me&result.format=json" \
        -H 'Content-Type: text/plain' -d 'to be' || fail "words does not answer"
    row "athena pack" "its image is built on athena-worker without a network, and answers"
}

# A process whose parent has gone is waited for by the first process.
check_orphans() {
    podman exec "$NETWORK-worker" sh -c 'sh -c "sleep 0.1 &"'
    eventually 20 no_zombies || fail "zombies in the worker's container"
    row "orphans" "waited for by the first process"
}

no_zombies() {
    podman exec "$NETWORK-worker" sh -c '! grep -l "^State:.Z" /proc/[0-9]*/status'
}

check_end() {
    local began name
    for name in gateway worker redis; do
        began=$SECONDS
        podman stop --time 40 "$NETWORK-$name" >/dev/null
        ended_well "$NETWORK-$name" "$name"
        row "$name ends" "with 0 after $((SECONDS - began)) s"
    done
}

install_containers
prepare_images
build_offline gateway redis worker worker-ocr >"$folder/images"
while read -r name size; do
    row "$name" "$size, built without a network"
done <"$folder/images"
port=$(free_port) url=http://127.0.0.1:$port
check_contents
start_all
check_ocr
check_packed
check_orphans
check_end

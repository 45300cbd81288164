#!/usr/bin/env bash
# deploy/compose/compose.yaml, brought up with podman-compose on images of this version: deploy/check/compose.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/check/containers.sh

export COMPOSE_PROJECT_NAME=athena-check-$$
VERSION=1.6.0

install_compose() {
    local folder=.tools/podman-compose
    if [ ! -x "$folder/bin/podman-compose" ]; then
        .venv/bin/python -m venv "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check "podman-compose==$VERSION"
    fi
}

compose() {
    # Podman forgets its own limits where a file names one.
    .tools/podman-compose/bin/podman-compose --file deploy/compose/compose.yaml \
        --podman-run-args="--ulimit nproc=$PROCESSES:$PROCESSES" "$@"
}

clean_up() {
    compose --profile ocr down --volumes --timeout 1 >/dev/null 2>&1 || true
}

container() {
    podman ps --all --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
        --filter "label=com.docker.compose.service=$1"
}

# flower_status [OPTION...]
flower_status() {
    curl --silent --output /dev/null --write-out '%{http_code}' "$@" "http://127.0.0.1:$FLOWER_PORT/" || true
}

refuses_strangers() {
    [ "$(flower_status)" = 401 ]
}

check_flower() {
    eventually 60 refuses_strangers || fail "Flower answers $(flower_status) to strangers"
    eventually 60 curl --silent --fail --output /dev/null --user "$FLOWER_LOGIN" "http://127.0.0.1:$FLOWER_PORT/" ||
        fail "Flower does not answer its operator"
    row "Flower" "answers its operator, and 401 to strangers"
}

# The whole container at once, as the kernel or an operator does it.
check_death() {
    local began=$SECONDS worker
    worker=$(container worker)
    podman kill --signal KILL "$worker" >/dev/null
    podman start "$worker" >/dev/null 2>&1 || true
    eventually 120 answers "$url" echo || fail "echo does not answer after its worker was killed"
    row "worker killed" "echo answers again after $((SECONDS - began)) s"
}

check_data() {
    local job
    job=$(curl --silent --dump-header - --output /dev/null "$url/echo" -H 'Prefer: respond-async' \
        -H 'Content-Type: application/json' -d @abilities/echo/example.json | sed -n 's/\r//; s/^location: //ip')
    curl --silent --output /dev/null "$url$job?wait=30"
    compose down --timeout 40 >/dev/null 2>&1
    compose up --detach >/dev/null 2>&1
    eventually 120 answers "$url" echo || fail "echo does not answer after down and up"
    [ "$(curl --silent --output /dev/null --write-out '%{http_code}' "$url$job")" = 200 ] || fail "a job is gone after down and up"
    row "down and up" "a job of before is still there"
}

check_end() {
    local began=$SECONDS service
    compose stop --timeout 40 >/dev/null 2>&1
    for service in gateway worker redis; do
        ended_well "$(container "$service")" "$service"
    done
    row "stop" "all end with 0 after $((SECONDS - began)) s"
}

# Nobody knows the name of a Redis that has gone, and the network's name server may be silent for a while.
check_end_after_redis() {
    local began try
    for try in 1 2 3; do
        compose up --detach >/dev/null 2>&1
        eventually 120 answers "$url" echo || fail "echo does not answer after stop and up"
        podman stop --time 40 "$(container redis)" >/dev/null 2>&1
        began=$SECONDS
        podman stop --time 40 "$(container worker)" >/dev/null 2>&1
        ended_well "$(container worker)" "worker"
        row "worker's end after Redis', $try" "with 0 after $((SECONDS - began)) s"
    done
}

install_containers
install_compose
prepare_images

build_offline gateway redis worker >/dev/null
trap clean_up EXIT
export ATHENA_VERSION=$TAG FLOWER_LOGIN=operator:of-the-check OPEN_FILES
OPEN_FILES=$(ulimit -Hn)
PORT=$(free_port) FLOWER_PORT=$(free_port)
export PORT FLOWER_PORT
url=http://127.0.0.1:$PORT
began=$SECONDS
compose up --detach >"$STORE/compose.log" 2>&1 || { tail "$STORE/compose.log" >&2; fail "up"; }
eventually 120 answers "$url" echo || { tail "$STORE/compose.log" >&2; fail "echo does not answer: $(call "$url" echo)"; }
row "up" "echo answers after $((SECONDS - began)) s"
check_flower
check_death
check_data
check_end
check_end_after_redis
row "Prometheus, Grafana" "not started: their images come from a registry; monitoring.yaml is checked against the schema"

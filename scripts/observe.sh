#!/usr/bin/env bash
# Prometheus and Alertmanager beside a command, which they end with: scripts/observe.sh athena serve
# Without one they watch a gateway that runs already, until Ctrl-C. The variables:
#
#     ATHENA_PORT          the gateway's port on 127.0.0.1 (default 30889)
#     PROMETHEUS_PORT      default 9090
#     ALERTMANAGER_PORT    default 9093
#     ATHENA_OBSERVE_DIR   where their data and logs go (default .athena/observe)
#     ATHENA_MONITORING    the configuration (default the folder monitoring/ beside this script)
set -euo pipefail

home=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
gateway=127.0.0.1:${ATHENA_PORT:-30889}
prometheus=127.0.0.1:${PROMETHEUS_PORT:-9090}
alertmanager=127.0.0.1:${ALERTMANAGER_PORT:-9093}
# Who looks on wants to see each request; `ATHENA_ACCESS_LOG=off` keeps them out of the log.
export ATHENA_ACCESS_LOG=${ATHENA_ACCESS_LOG:-on}
folder=${ATHENA_OBSERVE_DIR:-.athena/observe}
monitoring=${ATHENA_MONITORING:-$home/monitoring}
started=()

# The configuration as it is in the repository, with the addresses of this run.
write_configuration() {
    mkdir -p "$folder"
    folder=$(cd "$folder" && pwd)
    rm -rf "$folder/prometheus"
    cp -r "$monitoring/prometheus" "$folder/prometheus"
    sed -e "s/127\.0\.0\.1:30889/$gateway/" -e "s/127\.0\.0\.1:9090/$prometheus/" \
        -e "s/127\.0\.0\.1:9093/$alertmanager/" "$monitoring/prometheus/prometheus.yml" \
        >"$folder/prometheus/prometheus.yml"
    cp "$monitoring/alertmanager/alertmanager.yml" "$folder/alertmanager.yml"
}

start() {
    local name=$1
    shift
    # In the folder below which they look for their templates.
    (cd "$home/.tools" && exec "$@") >"$folder/$name.log" 2>&1 </dev/null &
    started+=($!)
}

start_alertmanager() {
    # Alone, it needs no port for others of its kind.
    start alertmanager "$home/.tools/bin/alertmanager" --config.file="$folder/alertmanager.yml" \
        --storage.path="$folder/alertmanager-data" --web.listen-address="$alertmanager" --cluster.listen-address=
}

start_prometheus() {
    start prometheus "$home/.tools/bin/prometheus" --config.file="$folder/prometheus/prometheus.yml" \
        --storage.tsdb.path="$folder/prometheus-data" --storage.tsdb.retention.time=15d \
        --web.listen-address="$prometheus"
}

# wait_for NAME ADDRESS: until it answers that it is ready.
wait_for() {
    local deadline=$((SECONDS + 60)) pid
    until curl --silent --fail --output /dev/null --max-time 2 "http://$2/-/ready"; do
        for pid in "${started[@]}"; do
            if [ $SECONDS -ge $deadline ] || ! kill -0 "$pid" 2>/dev/null; then
                echo "athena: Prometheus or Alertmanager does not start, see $folder/*.log; the last lines:" >&2
                tail -q -n 2 "$folder"/{alertmanager,prometheus}.log >&2
                return 1
            fi
        done
        sleep 0.2
    done
}

end_all() {
    trap '' INT TERM
    kill "${started[@]}" 2>/dev/null || true
    wait
}

"$home/scripts/install-prometheus.sh"
write_configuration
trap end_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
start_alertmanager
start_prometheus
wait_for alertmanager "$alertmanager"
wait_for prometheus "$prometheus"
echo "athena: Prometheus on http://$prometheus, Alertmanager on http://$alertmanager, their logs in $folder" >&2
if [ $# -gt 0 ]; then
    "$@" &
    started+=($!)
fi
# Whoever ends first, the others go, too.
wait -n "${started[@]}"

#!/usr/bin/env bash
# The cluster image of sealos: built of the images that are there, looked into, and its command run by helm in a real API
# server. sealos itself cannot be had where this runs: deploy/check/sealos.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/check/containers.sh

IMAGE=localhost/athena-cluster:check
container= registry_process=
folder=$(mktemp -d)
clean_up() {
    [ -z "$registry_process" ] || kill "$registry_process" 2>/dev/null || true
    [ -z "$container" ] || buildah rm "$container" >/dev/null
    rm -rf "$folder"
}
trap clean_up EXIT

write_values() {
    cat >"$folder/values.yaml" <<VALUES
images: {gateway: {repository: athena-gateway, tag: $TAG}, redis: {repository: athena-redis, tag: $TAG}}
abilities: {echo: {image: {repository: athena-worker, tag: $TAG}, pools: {cpu: {}}}}
VALUES
}

# What a node would fetch is in the image's registry.
check_registry() {
    local port name
    port=$(free_port)
    printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
        "$root/registry" "$port" >"$folder/registry.yml"
    .tools/bin/docker-registry serve "$folder/registry.yml" >"$folder/registry.log" 2>&1 &
    registry_process=$!
    eventually 20 curl --silent --fail "http://127.0.0.1:$port/v2/" || fail "its registry does not start"
    while read -r name; do
        skopeo inspect --tls-verify=false "docker://127.0.0.1:$port/athena/$name" >/dev/null || fail "$name is not in it"
    done <"$folder/images.txt"
    row "its registry" "holds all $(wc -l <"$folder/images.txt") images that the chart names"
}

# As sealos does: $(NAME) is a variable of the image.
command_of() {
    buildah inspect --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' "$IMAGE" | sed '/^PATH=/d; /^$/d' >"$folder/env"
    local command name value
    command=$(buildah inspect --format '{{index .OCIv1.Config.Cmd 0}}' "$IMAGE")
    while IFS== read -r name value; do
        command=${command//"\$($name)"/$value}
    done <"$folder/env"
    echo "$command"
}

check_command() {
    local status=0
    .venv/bin/python -m tests.cluster --run "$(command_of)" --folder "$root" || status=$?
    [ $status != 3 ] || row "its command" "not run: no API server can be built here"
    [ $status = 0 ] || [ $status = 3 ] || fail "its command does not install the chart"
}

install_containers
need_command skopeo skopeo
prepare_images
for target in gateway redis worker; do
    podman image exists "localhost/athena-$target:$TAG" || build_offline "$target" >&2
done
write_values
began=$SECONDS
deploy/sealos/build.sh "$folder/values.yaml" "$IMAGE" >"$folder/images.txt"
row "image" "$(buildah images --format '{{.Size}}' "$IMAGE" | head -n 1), built in $((SECONDS - began)) s"
[ "$(buildah inspect --format '{{index .OCIv1.Config.Labels "sealos.io.type"}}' "$IMAGE")" = application ] || fail "its label"
container=$(buildah from "$IMAGE")
root=$(buildah mount "$container")
check_registry
check_command
row "sealos run" "not tried: sealos cannot be had here"

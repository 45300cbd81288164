#!/usr/bin/env bash
# Builds a cluster image for sealos, with every image that the chart names: deploy/sealos/build.sh VALUES [IMAGE]
#
#     VALUES   the chart's values, such as those of `athena export`; they name images by tag, without a registry
#     IMAGE    default: localhost/athena-cluster:VERSION
#     SOURCE   where the images are: containers-storage:localhost/ (default: what deploy/images/build.sh built),
#              docker-daemon:, docker://registry.example/athena/
#
# It needs buildah and skopeo; the registry whose files go into the image is Debian's docker-registry, unpacked into .tools.
set -euo pipefail
values=$(realpath "${1:?name the values: deploy/sealos/build.sh VALUES [IMAGE]}")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
. scripts/apt.sh

HELM=.tools/bin/helm
REGISTRY=.tools/bin/docker-registry
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' athena/__init__.py)
image=${2:-localhost/athena-cluster:$version}
source=${SOURCE:-containers-storage:localhost/}
registry_process=

folder=$(mktemp -d)
clean_up() {
    [ -z "$registry_process" ] || kill "$registry_process" 2>/dev/null || true
    rm -rf "$folder"
}
trap clean_up EXIT

install_tools() {
    scripts/install-helm.sh
    need_command buildah buildah
    need_command skopeo skopeo
    [ -x $REGISTRY ] && return
    command -v docker-registry >/dev/null && ln -sf "$(command -v docker-registry)" $REGISTRY && return
    (cd "$folder" && apt-get -qq -o APT::Sandbox::User=root download docker-registry >/dev/null)
    dpkg-deb --fsys-tarfile "$folder"/docker-registry*.deb | tar -xO ./usr/bin/docker-registry >$REGISTRY
    chmod +x $REGISTRY
}

# Every image of what the chart makes of the values, the pods of `helm test` included.
images() {
    $HELM template athena deploy/helm/athena --values "$values" 2>/dev/null |
        sed -n 's/^ *\(- \)\{0,1\}image: *//p' | tr -d '"' | sort -u
}

start_registry() {
    port=$(.venv/bin/python -c 'from tests.ports import free_port; print(free_port())')
    printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
        "$folder/registry" "$port" >"$folder/registry.yml"
    $REGISTRY serve "$folder/registry.yml" >"$folder/registry.log" 2>&1 &
    registry_process=$!
    for _ in $(seq 100); do
        curl --silent --fail --output /dev/null "http://127.0.0.1:$port/v2/" && return
        sleep 0.1
    done
    cat "$folder/registry.log" >&2
    return 1
}

copy_images() {
    local name
    images >"$folder/images.txt"
    [ -s "$folder/images.txt" ] || { echo "athena: the values are refused: helm template says why" >&2; return 1; }
    while read -r name; do
        case $name in *@sha256:*)
            echo "athena: $name: name images by tag; their digest is that of what is copied" >&2
            return 1
            ;;
        esac
        echo "athena: $name" >&2
        skopeo copy --quiet --dest-tls-verify=false "$source$name" "docker://127.0.0.1:$port/athena/$name"
    done <"$folder/images.txt"
}

install_tools
mkdir "$folder/registry" "$folder/charts"
# As a package: without links to what is outside of it.
$HELM package deploy/helm/athena --destination "$folder" >/dev/null 2>&1
tar -xzf "$folder"/athena-*.tgz -C "$folder/charts"
cp "$values" "$folder/values.yaml"
start_registry
copy_images
kill "$registry_process" && wait "$registry_process" 2>/dev/null || true
registry_process=
# shellcheck disable=SC2086
buildah build ${BUILD_OPTIONS:-} --format docker --file "$here/Kubefile" --tag "$image" "$folder" >&2
cat "$folder/images.txt"
echo "$image" >&2

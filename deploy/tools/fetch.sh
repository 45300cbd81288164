#!/usr/bin/env bash
# A cluster's real programs, for deploy/check/kubernetes.sh: the API server, controllers and scheduler of Kubernetes, kwok and etcd;
# with `keda` KEDA's too. Prints the folder that they are in, outside the tree, by the hash of go.sum.
#
# Go builds them, unchanged, from the versions in go.mod: once, a quarter of an hour on two cores, and as long again for
# KEDA. Where there is no Go, or etcd cannot be had, it says so and ends with 3.
set -euo pipefail
cd "$(dirname "$0")"

GO=$(command -v go || command -v /usr/local/go/bin/go || true)
KUBERNETES=1.36.4
OPERATOR=github.com/prometheus-operator/prometheus-operator@v0.85.0
VERSION=k8s.io/component-base/version
PROGRAMS=(k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kube-controller-manager
    k8s.io/kubernetes/cmd/kube-scheduler sigs.k8s.io/kwok/cmd/kwok)
KEDA=(github.com/kedacore/keda/v2/cmd/operator github.com/kedacore/keda/v2/cmd/adapter)

skip() {
    echo "athena: SKIPPED: $*" >&2
    exit 3
}

# The same flags for all: else what they share is compiled for each.
build() {
    local package name
    for package in "${PROGRAMS[@]}"; do
        name=${package##*/}
        [ -x "$FOLDER/bin/$name" ] && continue
        echo "athena: building $name (once) ..." >&2
        GOFLAGS="-buildvcs=false -p=1" nice -n 15 "$GO" build -trimpath -o "$FOLDER/new" \
            -ldflags "-s -w -X $VERSION.gitVersion=v$KUBERNETES -X $VERSION.gitMajor=1 -X $VERSION.gitMinor=36" "$package"
        mv "$FOLDER/new" "$FOLDER/bin/$name"
    done
}

source_of() {
    "$GO" mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'
}

# What these programs are told by: kinds of objects, and how fake nodes and pods live.
copy_manifests() {
    local keda kwok operator
    keda=$("$GO" list -m -f '{{.Dir}}' github.com/kedacore/keda/v2)
    kwok=$("$GO" list -m -f '{{.Dir}}' sigs.k8s.io/kwok)
    operator=$(source_of "$OPERATOR")
    mkdir -p "$FOLDER/crds" "$FOLDER/stages"
    cp "$keda"/config/crd/bases/*.yaml "$operator"/example/prometheus-operator-crd/*_{servicemonitors,prometheusrules}.yaml \
        "$FOLDER/crds/"
    for stage in node/fast node/heartbeat pod/fast; do
        for file in "$kwok/kustomize/stage/$stage"/*.yaml; do
            case $file in *kustomization*) ;; *) cp "$file" "$FOLDER/stages/${stage//\//-}-${file##*/}" ;; esac
        done
    done
    chmod -R u+w "$FOLDER/crds" "$FOLDER/stages"
}

fetch_etcd() {
    local folder
    if command -v etcd >/dev/null; then
        ln -sf "$(command -v etcd)" "$FOLDER/bin/etcd"
        return
    fi
    command -v apt-get >/dev/null || skip "there is neither etcd in PATH nor apt-get"
    folder=$(mktemp -d)
    (cd "$folder" && apt-get -qq -o APT::Sandbox::User=root download etcd-server >/dev/null 2>&1) ||
        skip "apt-get download etcd-server fails; apt-get update may help"
    dpkg-deb --extract "$folder"/*.deb "$folder/unpacked"
    cp "$folder/unpacked/usr/bin/etcd" "$FOLDER/bin/etcd"
    rm -rf "$folder"
}

[ -n "$GO" ] || skip "Kubernetes' programs are built by Go, and there is none in PATH or /usr/local/go"
FOLDER=${XDG_CACHE_HOME:-$HOME/.cache}/athena-tools/$(cat go.mod go.sum | sha256sum | cut -c1-16)
mkdir -p "$FOLDER/bin"
exec 9>"$FOLDER/lock"
flock 9
if [ "${1:-}" = keda ]; then
    PROGRAMS+=("${KEDA[@]}")
fi
[ -x "$FOLDER/bin/etcd" ] || fetch_etcd
build
[ -d "$FOLDER/crds" ] && [ -d "$FOLDER/stages" ] || copy_manifests
echo "$FOLDER"

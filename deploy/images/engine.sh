# Sourced by the other scripts: what builds images, and how. ENGINE names it: docker, podman or buildah.

if [ -z "${ENGINE:-}" ]; then
    for ENGINE in docker podman buildah; do
        command -v "$ENGINE" >/dev/null && "$ENGINE" info >/dev/null 2>&1 && break
        ENGINE=
    done
fi
[ -n "$ENGINE" ] || {
    echo "athena: needs docker, podman or buildah: apt-get install buildah" >&2
    exit 1
}

# build_image NAME FOLDER [OPTION...]: BUILD_OPTIONS are options of the engine, such as `--isolation chroot`.
build_image() {
    local name=$1 folder=$2
    shift 2
    local -a command=("$ENGINE" build)
    # The format of its own knows no HEALTHCHECK.
    [ "$ENGINE" = docker ] || command+=(--format docker --layers)
    # shellcheck disable=SC2086
    "${command[@]}" ${BUILD_OPTIONS:-} "$@" --tag "$name" "$folder"
}

# image_size NAME: in MB.
image_size() {
    if [ "$ENGINE" = buildah ]; then
        buildah images --format '{{.Size}}' "$1" | head -n 1
    else
        "$ENGINE" image inspect --format '{{.Size}}' "$1" | awk '{ printf "%.0f MB\n", $1 / 1e6 }'
    fi
}

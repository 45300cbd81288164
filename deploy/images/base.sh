#!/usr/bin/env bash
# The image below the others, made of Debian's packages where no registry of images is reached: deploy/images/base.sh [TAR]
#
# Debian 12 with its Python, and nothing that installs packages. As root; ENGINE is podman, buildah or docker. With TAR it
# writes that file alone, which is a root folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/apt.sh
. deploy/images/engine.sh

NAME=${BASE:-localhost/athena-base:bookworm}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tar=${1:-$folder/base.tar}

need_command mmdebstrap mmdebstrap
excluded=()
for path in doc man locale info lintian; do
    excluded+=("--dpkgopt=path-exclude=/usr/share/$path/*")
done
# libstdc++6: wheels of NumPy and others need it. libatomic1: with it the embedded Redis gets its faster allocator.
mmdebstrap --quiet --variant=essential --mode=root --include=python3,python3-venv,ca-certificates,libstdc++6,libatomic1 \
    "${excluded[@]}" bookworm "$tar" "${MIRROR:-http://deb.debian.org/debian}"
if [ $# -eq 0 ]; then
    printf 'FROM scratch\nADD base.tar /\n' >"$folder/Dockerfile"
    build_image "$NAME" "$folder"
    echo "athena: $NAME, $(image_size "$NAME")" >&2
fi

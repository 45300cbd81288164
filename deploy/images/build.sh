#!/usr/bin/env bash
# Builds the images: deploy/images/build.sh [TARGET...], by default all but worker-gpu. The variables:
#
#     ENGINE   docker, podman or buildah (default: the first that is here)
#     BASE     the image below: any Debian with Python 3.11 or newer and its venv (default: python:3.11-slim-bookworm);
#              deploy/images/base.sh makes one where no registry is reached
#     WHEELS   folder of deploy/images/wheelhouse.sh: then nothing is fetched
#     TAG      default: the version; REGISTRY: what goes before the names, such as registry.example/athena/
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/images/engine.sh

[ $# -gt 0 ] || set -- gateway redis worker worker-ocr
TAG=${TAG:-$(sed -n 's/^__version__ = "\(.*\)"/\1/p' athena/__init__.py)}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/wheels" "$folder/abilities"
if [ -n "${WHEELS:-}" ]; then
    cp "$WHEELS"/*.whl "$folder/wheels"
else
    make build >/dev/null
    cp "$(ls -t dist/*.whl | head -n 1)" "$folder/wheels"
fi
cp deploy/images/{Dockerfile,valkey.conf,find_valkey.py} constraints.txt "$folder"
cp -r abilities/mmocr "$folder/abilities"
find "$folder" -name __pycache__ -type d -prune -exec rm -rf {} +

options=()
[ -z "${BASE:-}" ] || options+=(--build-arg "BASE=$BASE")
[ -z "${WHEELS:-}" ] || options+=(--build-arg NO_INDEX=1)
for target; do
    name=${REGISTRY:-localhost/}athena-$target:$TAG
    build_image "$name" "$folder" --target "$target" "${options[@]}" >&2
    echo "$name $(image_size "$name")"
done

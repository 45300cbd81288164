#!/usr/bin/env bash
# All wheels that the images hold, for a build without a package index: deploy/images/wheelhouse.sh FOLDER
# EXTRAS=gpu,embedded fetches those of worker-gpu too, CUDA and cuDNN among them (1.5 GB).
#
# The Python of the base image fetches them: another one of the same minor version may ask for other packages.
# Where a package index has an authority of its own, PIP_CERT names its certificate.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/images/engine.sh

[ $# -eq 1 ] || { sed -n '2s/^# //p' "$0" >&2; exit 2; }
BASE=${BASE:-localhost/athena-base:bookworm}
EXTRAS=${EXTRAS:-cpu,embedded}

mkdir -p "$1"
wheels=$(cd "$1" && pwd)
make build >/dev/null
cp "$(ls -t dist/*.whl | head -n 1)" constraints.txt "$wheels"
cert=${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}
fetch='python3 -m venv /tmp/venv && /tmp/venv/bin/pip --disable-pip-version-check --no-cache-dir --cert /tmp/cert download \
    --quiet --only-binary :all: --constraint /wheels/constraints.txt --find-links /wheels --dest /wheels "$@"'
packages=("athena-serving[$EXTRAS]")
case ,$EXTRAS, in *,gpu,*) packages+=('onnxruntime-gpu[cuda,cudnn]') ;; esac
set -- sh -c "$fetch" sh "${packages[@]}"
volumes=(--volume "$wheels:/wheels" --volume "$cert:/tmp/cert:ro")
if [ "$ENGINE" = buildah ]; then
    container=$(buildah from "$BASE")
    trap 'buildah rm "$container" >/dev/null' EXIT
    # shellcheck disable=SC2086
    buildah run ${BUILD_OPTIONS:-} --user root "${volumes[@]}" "$container" -- "$@"
else
    "$ENGINE" run --rm --user root "${volumes[@]}" "$BASE" "$@"
fi
rm "$wheels/constraints.txt"
echo "athena: $(ls "$wheels" | wc -l) wheels, $(du -sh "$wheels" | cut -f 1), in $wheels" >&2

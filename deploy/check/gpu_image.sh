#!/usr/bin/env bash
# The image of GPU workers, built without a network (1.5 GB of wheels), and what can be tried of it without a GPU:
# deploy/check/gpu_image.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/check/containers.sh

IMAGE=localhost/athena-worker-gpu:$TAG
export EXTRAS=gpu,embedded WHEELS=$STORE/wheels-gpu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# inside PYTHON: what a program prints there, as any user of group 0 without rights.
inside() {
    podman run --rm --network none --user 23456:0 "${CONFINED[@]}" "$IMAGE" python -c "$1"
}

install_containers
prepare_images
build_offline worker-gpu >"$folder/images"
read -r _ size <"$folder/images"
row "athena-worker-gpu" "$size, built without a network"
providers=$(inside 'import onnxruntime; print(*onnxruntime.get_available_providers())')
case " $providers " in *" CUDAExecutionProvider "*) ;; *) fail "ONNX Runtime offers no CUDA: $providers" ;; esac
# All that the provider is linked with, CUDA's and cuDNN's libraries out of their wheels among it, without a driver.
inside 'import ctypes, onnxruntime, pathlib
onnxruntime.preload_dlls()
folder = pathlib.Path(onnxruntime.__file__).parent / "capi"
ctypes.CDLL(folder / "libonnxruntime_providers_shared.so", ctypes.RTLD_GLOBAL)
ctypes.CDLL(folder / "libonnxruntime_providers_cuda.so")' >"$folder/libraries" 2>&1 ||
    { cat "$folder/libraries" >&2; fail "the CUDA provider lacks libraries"; }
row "CUDA provider" "offered, and its libraries load; no GPU was tried"

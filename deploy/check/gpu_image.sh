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
while read -r name size; do
    row "$name" "$size, built without a network"
done <"$folder/images"
providers=$(inside 'import onnxruntime; print(*onnxruntime.get_available_providers())')
case " $providers " in *" CUDAExecutionProvider "*) ;; *) fail "ONNX Runtime offers no CUDA: $providers" ;; esac
# All that the provider is linked with lies in the image, CUDA's and cuDNN's libraries among it. The driver's comes with a host.
missing=$(inside 'import onnxruntime, os, pathlib, subprocess
runtime = pathlib.Path(onnxruntime.__file__).parent
folders = {str(path.parent) for path in runtime.parent.glob("nvidia/**/*.so*")}
environ = {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)}
provider = str(runtime / "capi" / "libonnxruntime_providers_cuda.so")
lines = subprocess.run(["ldd", provider], env=environ, capture_output=True, text=True, check=True).stdout.splitlines()
print(*(line.split()[0] for line in lines if "not found" in line))')
[ "$missing" = libcuda.so.1 ] || fail "the CUDA provider lacks: $missing"
row "CUDA provider" "offered; all its libraries are there but the driver's; no GPU was tried"

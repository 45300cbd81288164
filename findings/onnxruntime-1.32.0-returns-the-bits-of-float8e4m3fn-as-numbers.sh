#!/usr/bin/env bash
# onnxruntime 1.32.0: `InferenceSession.run` returns an output of float8e4m3fn as an array of uint8 with its bits, so
# that 1.0 and 2.0 come as 56 and 64 without a word; for the other three float8 types, which NumPy has not
# either, it raises. `run_with_ort_values` returns all four as they are.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2
cat >try.py <<'PY'
import numpy as np
import onnxruntime as rt
from onnx import TensorProto, helper

for kind in ("FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ"):
    number = getattr(TensorProto, kind)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    y = helper.make_tensor_value_info("y", number, [2])
    graph = helper.make_graph([helper.make_node("Cast", ["x"], ["y"], to=number)], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = rt.InferenceSession(model.SerializeToString())
    given = np.array([1, 2], np.float32)
    value = session.run_with_ort_values(None, {"x": rt.OrtValue.ortvalue_from_numpy(given)})[0]
    try:
        (found,) = session.run(None, {"x": given})
        print(f"{value.data_type()}: {found.dtype} {found.tolist()}")
    except RuntimeError as error:
        print(f"{value.data_type()}: {str(error).partition('.')[0]}")
PY
seen=$(venv/bin/python try.py 2>/dev/null)
echo "$seen"
expected=$'tensor(float8e4m3fn): uint8 [56, 64]
tensor(float8e4m3fnuz): No corresponding Numpy type for Tensor Type
tensor(float8e5m2): No corresponding Numpy type for Tensor Type
tensor(float8e5m2fnuz): No corresponding Numpy type for Tensor Type'
[ "$seen" = "$expected" ] || { echo "changed: expected $expected" >&2; exit 1; }

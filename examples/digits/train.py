"""Trains the digit classifier and writes model.onnx; seconds on a CPU.

    pip install scikit-learn onnx
    python examples/digits/train.py

The data are the 1797 handwritten digits that come with scikit-learn: 8 x 8 pixels from 0 (paper) to 16 (ink).
The same seed gives the same model.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

SEED = 7
INK = 16.0
TARGET = Path(__file__).parent / "model.onnx"


def train() -> tuple[MLPClassifier, float]:
    """Returns the classifier, and its accuracy on the quarter of the digits that it has not seen."""
    pictures, labels = load_digits(return_X_y=True)
    known, unknown, known_labels, unknown_labels = train_test_split(
        pictures / INK, labels, test_size=0.25, random_state=SEED, stratify=labels
    )
    classifier = MLPClassifier((64,), max_iter=400, random_state=SEED).fit(known, known_labels)
    return classifier, classifier.score(unknown, unknown_labels)


def export(classifier: MLPClassifier) -> onnx.ModelProto:
    """Returns the network: `pictures` (N, 64) in, `scores` (N, 10) out."""
    constants, nodes, last = [], [], "pictures"
    layers = list(zip(classifier.coefs_, classifier.intercepts_, strict=True))
    for number, (weights, bias) in enumerate(layers):
        for name, values in ((f"weights{number}", weights), (f"bias{number}", bias)):
            constants.append(numpy_helper.from_array(values.astype(np.float32), name))
        nodes.append(helper.make_node("Gemm", [last, f"weights{number}", f"bias{number}"], [f"sum{number}"]))
        is_last = number == len(layers) - 1
        last = "scores" if is_last else f"layer{number}"
        kind, options = ("Softmax", {"axis": 1}) if is_last else ("Relu", {})
        nodes.append(helper.make_node(kind, [f"sum{number}"], [last], **options))
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["N", 64])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 10])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def main() -> None:
    """Trains, writes the model, and says how good it is."""
    classifier, accuracy = train()
    TARGET.write_bytes(export(classifier).SerializeToString())
    print(f"{TARGET}: {TARGET.stat().st_size} bytes, {accuracy:.1%} of unseen digits right")


if __name__ == "__main__":
    main()

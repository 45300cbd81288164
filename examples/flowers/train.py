"""Trains the pipeline and writes model.onnx; seconds on a CPU.

    pip install scikit-learn skl2onnx
    python examples/flowers/train.py

The data are the 150 irises that come with scikit-learn: four measures in centimetres, one of three kinds. The
model holds the scaler as well, and answers with two outputs: the kind, and a map of kind -> probability.
"""

from pathlib import Path

import numpy as np
import onnx
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TARGET = Path(__file__).parent / "model.onnx"


def main() -> None:
    """Trains, writes the model, and says how good it is."""
    flowers = load_iris()
    kinds = flowers.target_names[flowers.target]
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    score = cross_val_score(pipeline, flowers.data, kinds, cv=5).mean()
    pipeline.fit(flowers.data, kinds)
    model = to_onnx(pipeline, flowers.data[:1].astype(np.float32), target_opset=17)
    onnx.checker.check_model(model)
    TARGET.write_bytes(model.SerializeToString())
    print(f"{TARGET}: right for {score:.1%} of flowers that it has not seen")


if __name__ == "__main__":
    main()

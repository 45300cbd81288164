"""What a model is made of, and for which processor a copy of it is right."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from athena.sdk.onnx.identity import files_of, processor

INTEL = (
    "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu MHz\t\t: 2100.0\nflags\t\t: sse avx2\n\nprocessor\t: 1\n"
)


def save(path: Path, *weights_in: str) -> None:
    """Saves a model whose weights are in files of these names."""
    model = onnx.ModelProto()
    for name in weights_in:
        tensor = numpy_helper.from_array(np.ones(4, "float32"), name)
        onnx.external_data_helper.set_external_data(tensor, location=name)
        tensor.ClearField("raw_data")
        model.graph.initializer.append(tensor)
        (path.parent / name).parent.mkdir(parents=True, exist_ok=True)
        (path.parent / name).write_bytes(b"weights")
    model.graph.node.append(helper.make_node("Relu", ["x"], ["y"]))
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize("names", [(), ("weights",), ("a.bin", "deep/b.bin"), ("n" * 127,), ("n" * 200,)])
def test_files_of_weights_are_found(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = tmp_path / "model.onnx"
    save(path, *names)

    assert files_of(path) == [path, *(tmp_path / name for name in names)]


@pytest.mark.parametrize("tail", [b"", b"\x07", b"\xff"])
def test_file_that_ends_within_a_name_is_read(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x0a\x08location\x12" + tail)

    assert files_of(path) == [path]


def test_empty_file_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.touch()

    assert files_of(path) == [path]


def test_processors_are_told_apart_by_what_they_can_do(tmp_path: Path) -> None:
    told = []
    for name, text in (
        ("one", INTEL),
        ("faster", INTEL.replace("2100.0", "3100.0")),
        ("newer", INTEL.replace("avx2", "avx2 avx512f")),
    ):
        (tmp_path / name).write_text(text)
        told.append(processor(tmp_path / name))

    assert told[0] == told[1] != told[2]
    assert processor(tmp_path / "no such file") != told[0]
    assert processor() == processor()

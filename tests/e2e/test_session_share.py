"""A served wrapper whose package opens its own ONNX session."""

import base64
import json
from pathlib import Path

import pytest

from athena.devices.host import core_count
from tests.e2e.conftest import serving
from tests.integration.test_check_batches import dynamic_model

pytestmark = pytest.mark.e2e

WRAPPER = """
import json
import onnxruntime
from athena.sdk import Response, ResponseData, StringBodyField, WrapperBase

class Asked:
    text = StringBodyField(key="text")

class Answered:
    options = StringBodyField(key="options")

class Wrapper(WrapperBase):
    requestCls, responseCls = Asked(), Answered()

    def wrapperInit(self, config):
        self.session = onnxruntime.InferenceSession("layer.onnx")
        return 0

    def wrapperOnceExec(self, params, reqData):
        options = self.session.get_session_options()
        spinning = options.get_session_config_entry("session.intra_op.allow_spinning")
        response = Response()
        told = json.dumps([options.intra_op_num_threads, spinning])
        response.list = [ResponseData("options", told)]
        return response
"""


def test_a_session_of_a_worker_has_its_share(tmp_path: Path) -> None:
    dynamic_model(tmp_path / "layer.onnx")
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    (tmp_path / "ability.toml").write_text('service_id = "layers"\n')
    body = {"header": {"app_id": "test", "status": 3}, "payload": {"text": {"text": "YQ=="}}}

    with serving(tmp_path, tmp_path) as stack:
        told = stack.post("/layers", body).json()["payload"]["options"]["text"]

    assert json.loads(base64.b64decode(told)) == [core_count(), "0"]

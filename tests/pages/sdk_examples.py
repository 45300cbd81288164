"""An example of each name of athena.sdk. They are run: `print(x)  # y` has to print y."""

EXAMPLES = {
    "WrapperBase": """\
from athena.sdk import Response, ResponseData, StringBodyField, WrapperBase


class UserRequest:
    text = StringBodyField(key="text")


class UserResponse:
    result = StringBodyField(key="result")


class Wrapper(WrapperBase):
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config):
        self.suffix = config.get("suffix", "!")  # [config] of ability.toml
        return 0

    def wrapperOnceExec(self, params, reqData, usrTag="", persId=0):
        output = ResponseData(key="result")
        output.setData(reqData.get("text").data + self.suffix.encode())
        response = Response()
        response.list = [output]
        return response
""",
    "BatchWrapper": """\
import json

import numpy

from athena.sdk import BatchWrapper, DataListCls, DataListNode, InputError, JsonBodyField


class UserRequest:
    row = JsonBodyField(key="row")


class UserResponse:
    sums = JsonBodyField(key="sums")


class Wrapper(BatchWrapper):
    requestCls = UserRequest()
    responseCls = UserResponse()

    def prepare(self, params, reqData):
        row = json.loads(reqData.get("row").data)
        if not row:
            raise InputError("holds no numbers", "row")
        return numpy.array(row, numpy.float32)

    def infer(self, batch, sizes):
        return numpy.cumsum(batch, axis=1)  # of all jobs at once


rows = [DataListCls([DataListNode("row", data)]) for data in (b"[1, 2]", b"[]", b"[3, 4]")]
items = Wrapper().wrapperBatchExec([{}] * 3, rows)
print(items[0].list[0].data, items[2].list[0].data)  # [1.0, 3.0] [3.0, 7.0]
print(items[1])  # row holds no numbers
""",
    "StringParamField": """\
from athena.sdk import StringParamField


class UserRequest:
    language = StringParamField(key="language", enums=["en", "zh"], required=True)  # params["language"]
""",
    "IntegerParamField": """\
from athena.sdk import IntegerParamField


class UserRequest:
    limit = IntegerParamField(key="limit", minimum=1, maximum=50, default=10)


params = {"limit": "20"}  # what the wrapper gets: texts
print(UserRequest.limit.of(params) + 1)  # 21
""",
    "NumberParamField": """\
from athena.sdk import NumberParamField


class UserRequest:
    threshold = NumberParamField(key="threshold", minimum=0, maximum=1, default=0.5)


params = {}  # a gateway fills the default in; `value` is for tests alone
print(UserRequest.threshold.of(params))  # 0.5
""",
    "BooleanParamField": """\
from athena.sdk import BooleanParamField


class UserRequest:
    upper = BooleanParamField(key="upper", title="answer in capital letters")


params = {"upper": "false"}  # a text, and true as such
print(UserRequest.upper.of(params))  # False
""",
    "ParamField": """\
from athena.sdk import ParamField, StringParamField

print(issubclass(StringParamField, ParamField))  # True
""",
    "StringBodyField": """\
from athena.sdk import StringBodyField


class UserRequest:
    text = StringBodyField(key="text", value=b"hello")  # `value`: for `athena check` without an example
""",
    "JsonBodyField": """\
import json

from athena.sdk import JsonBodyField, ResponseData


class UserResponse:
    boxes = JsonBodyField(key="boxes")


output = ResponseData(key="boxes")
output.setData(json.dumps([{"box": [0, 0, 8, 8]}]))
print(output.len)  # 23
""",
    "ImageBodyField": """\
from athena.sdk import ImageBodyField


class UserRequest:
    picture = ImageBodyField(key="picture", path="test.jpg")  # `path`: a file for tests


class UserResponse:
    drawing = ImageBodyField(key="drawing", encoding="svg")  # an answer's content type: image/svg+xml
""",
    "AudioBodyField": """\
from athena.sdk import AudioBodyField


class UserRequest:
    sound = AudioBodyField(key="sound", path="test.wav", encoding="wav")
""",
    "VideoBodyField": """\
from athena.sdk import VideoBodyField


class UserRequest:
    film = VideoBodyField(key="film", path="test.mp4", encoding="mp4")
""",
    "OtherBodyField": """\
from athena.sdk import OtherBodyField


class UserResponse:
    archive = OtherBodyField(key="archive", encoding="zip")
""",
    "PayloadField": """\
from athena.sdk import ImageBodyField, PayloadField

print(issubclass(ImageBodyField, PayloadField))  # True
""",
    "Field": """\
from athena.sdk import StringBodyField

print(StringBodyField(key="text").key)  # text
""",
    "DataListCls": """\
from athena.sdk import DataListCls, DataListNode

inputs = DataListCls([DataListNode("text", b"hello")])  # what `wrapperOnceExec` gets as `reqData`
print(inputs.get("text").data)  # b'hello'
print(inputs.get("picture"))  # None
""",
    "DataListNode": """\
from athena.sdk import DataListNode

node = DataListNode("picture", b"\\xff\\xd8", attributes={"encoding": "jpg"})
print(node.len, node.attributes["encoding"])  # 2 jpg
""",
    "ResponseData": """\
from athena.sdk import ResponseData

output = ResponseData(key="result")
output.setData("grüß")  # str, or bytes; a text is UTF-8
print(output.len)  # 6
""",
    "Response": """\
from athena.sdk import Response, ResponseData

response = Response()
response.list = [ResponseData("result", "done")]
print(response.error_code)  # 0
print(Response().response_err(7).error_code)  # 7
""",
    "job.cancelled": """\
from athena.sdk import job

for page in range(3):
    if job.cancelled():  # nobody wants the answer any more
        break
print(page)  # 2
""",
    "metrics.counter": """\
from athena.sdk import metrics

PAGES = metrics.counter("pages", "pages that were read", labels=("kind",))
PAGES.add(3, kind="scan")  # athena_wrapper_pages_total{service_id="…",kind="scan"}
""",
    "metrics.gauge": """\
from athena.sdk import metrics

CACHED = metrics.gauge("cached_models", "models in the cache")
CACHED.set(2)  # athena_wrapper_cached_models{service_id="…",worker="…"}
""",
    "metrics.histogram": """\
from athena.sdk import metrics

SECONDS = metrics.histogram("page_seconds", "how long a page takes", buckets=(0.01, 0.1, 1))
SECONDS.observe(0.2)
""",
    "job.traceparent": """\
from athena.sdk import job

headers = {"traceparent": job.traceparent()}  # of requests that a call sends
print(headers)  # {'traceparent': ''}
""",
    "job.progress": """\
from athena.sdk import job

pages = ["a", "b", "c"]
for number, page in enumerate(pages, 1):
    job.progress(number / len(pages))  # `GET /v1/jobs/<id>` shows it
""",
    "onnx.open_session": """\
from athena.sdk import onnx

model = onnx.open_session("model.onnx", warm_up=[{"pictures": (1, 64)}])
print(model.outputs)  # ('scores',)
""",
    "onnx.OnnxSession": """\
import numpy as np

from athena.sdk import onnx

model = onnx.open_session("model.onnx")  # an OnnxSession
(scores,) = model.run({"pictures": np.zeros((2, 64), np.float32)})
print(scores.shape)  # (2, 10)
""",
    "onnx.StandIn": """\
import numpy as np

from athena.sdk import onnx

model = onnx.open_session("model.onnx").stand_in  # a StandIn; packages take it for a session
(scores,) = model.run(None, {"pictures": np.zeros((2, 64), np.float32)})
print(model.get_inputs()[0].name)  # pictures
""",
    "onnx.OnnxError": """\
from athena.sdk import onnx

model = onnx.open_session("model.onnx")
try:
    model.warm_up({"pixels": (1, 64)})
except onnx.OnnxError as error:
    print("pictures" in str(error))  # True
""",
    "onnx.ModelFileError": """\
from athena.sdk import onnx

try:
    onnx.open_session("nothing.onnx")
except onnx.ModelFileError as error:
    print(error)  # model nothing.onnx is missing
""",
    "device.current": """\
from athena.sdk import device

place = device.current()  # for frameworks that place a model themselves
print("cuda:0" if place.is_gpu else "cpu")  # cpu
""",
    "device.Device": """\
from athena.sdk.device import Device

print(Device(gpu_type="T4G16", gpu_id="GPU-1", memory_limit_mb=4096).is_gpu)  # True
""",
    "device.note_cpu": """\
from athena.sdk import device

if not device.current().is_gpu:
    device.note_cpu()  # before wrapperInit returns
print(device.is_on_cpu())  # True
""",
    "answer": """\
import numpy

from athena.sdk import answer

response = answer(label="cat", scores=numpy.array([0.5, 0.25]))
print([output.data for output in response.list])  # ['cat', '[0.5, 0.25]']
""",
    "audio": """\
from athena.sdk import DataListNode, audio, wav

node = DataListNode("sound", wav([0.5, -0.5] * 4000, 8000))  # as reqData.get("sound") returns it
samples = audio(node, 16000)
print(samples.dtype, samples.shape)  # float32 (16000,)
""",
    "wav": """\
from athena.sdk import wav

print(wav([0.0, 0.5, -0.5], rate=16000)[:4])  # b'RIFF'
""",
    "picture": """\
import io

from PIL import Image

from athena.sdk import picture

file = io.BytesIO()
Image.new("RGBA", (4, 3), (255, 0, 0, 0)).save(file, "PNG")
found = picture(file.getvalue())
print(found.mode, found.size, found.getpixel((0, 0)))  # RGB (4, 3) (255, 255, 255)
""",
    "InputError": """\
from athena.sdk import InputError


def only_face(faces):
    if len(faces) != 1:
        raise InputError(f"holds {len(faces)} faces, and not one", "image")
    return faces[0]


try:
    only_face([])
except InputError as error:
    print(error)  # image holds 0 faces, and not one
""",
    "Broken": """\
from athena.sdk import Broken


def check_licence(is_valid):
    if not is_valid:
        raise Broken("the licence is lost")


try:
    check_licence(is_valid=False)
except Broken as error:
    print(error)  # the licence is lost
""",
    "callback": """\
from athena.sdk import Response, ResponseData, callback

response = Response()
response.list = [ResponseData("result", "done")]
print(callback(response, "the job's sid"))  # 0
""",
    "callback_metric": """\
from athena.sdk import callback_metric

print(callback_metric("the job's sid", "pages", 3))  # 0
""",
    "callback_trace": """\
from athena.sdk import callback_trace

print(callback_trace("the job's sid", "language", "en"))  # 0
""",
    "SessionCreateResponse": """\
from athena.sdk import SessionCreateResponse

created = SessionCreateResponse()
created.handle = "session-1"
print(created.error_code)  # 0
""",
    "SessionManager": """\
from athena.sdk import SessionManager

sessions = SessionManager()  # `self.session` of a wrapper
print(sessions.get_idle_handle())  # None
""",
    "StreamHandleThread": """\
from athena.sdk import StreamHandleThread


class Recogniser(StreamHandleThread):
    def init_model(self, handle):
        self.words = []

    def run(self):
        while not self.is_stopping:
            self.out_q.put(self.in_q.get())
""",
}

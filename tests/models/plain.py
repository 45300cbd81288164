"""The plain script that a served model is compared with: `python plain.py FOLDER CALLS SECONDS`.

It uses one thread, as its author would tell ONNX Runtime, and nothing of Athena. It calls so often, and on
until so much CPU is spent. It prints JSON: the answers, and what a call costs in milliseconds of CPU.
"""

import json
import sys
import time
from typing import Any

import onnxruntime


def use_one_thread() -> None:
    """Has sessions compute in the thread that calls."""
    opening = onnxruntime.InferenceSession.__init__

    def open_alone(session: Any, model: Any, sess_options: Any = None, *rest: Any, **named: Any) -> None:
        options = sess_options or onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        opening(session, model, options, *rest, **named)

    onnxruntime.InferenceSession.__init__ = open_alone


def main(folder: str, calls: int, seconds: float) -> None:
    sys.path.insert(0, folder)
    use_one_thread()
    import subject

    model = subject.load()
    answers = [subject.answer(model, data) for data in subject.INPUTS]
    began_s, done = time.process_time(), 0
    while done < calls or time.process_time() - began_s < seconds:
        subject.answer(model, subject.INPUTS[done % len(subject.INPUTS)])
        done += 1
    cpu_ms = (time.process_time() - began_s) / done * 1000
    print(json.dumps({"answers": answers, "cpu_ms": cpu_ms}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))

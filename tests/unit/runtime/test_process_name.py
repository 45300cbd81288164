"""What a process is called."""

import subprocess
import sys

CODE = """
from pathlib import Path
from athena.runtime.process_name import name_process
name_process("mmocr.gpu_type.3@host")
print(Path("/proc/self/comm").read_text().strip())
"""


def test_a_process_has_the_beginning_of_its_name() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "mmocr.gpu_type."

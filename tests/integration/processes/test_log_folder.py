"""A folder for log files that cannot be had is told, and ends nothing."""

import subprocess
import sys
from pathlib import Path


def test_folder_that_cannot_be_made_is_told_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    program = (
        "import sys; from athena.telemetry.logs import LogOptions, configure_logs;"
        "configure_logs('WARNING', LogOptions(folder=sys.argv[1]))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "file" / "logs")], capture_output=True, text=True
    )

    assert f"no log file is written: {tmp_path}/file/logs: Not a directory; ATHENA_LOG_DIR" in done.stderr

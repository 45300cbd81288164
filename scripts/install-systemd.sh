#!/usr/bin/env bash
# systemd-analyze, which reads units without a systemd that runs.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/apt.sh"

need_command systemd systemd-analyze

#!/usr/bin/env bash
# wrk, the load generator of the benchmarks.
set -euo pipefail
. "$(dirname "$0")/apt.sh"

need_command wrk wrk

#!/usr/bin/env bash
# The chart's scaler by a real KEDA: its operator and its API of metrics beside the API server, a real gateway, Redis and
# Prometheus, and a process of workers for each pod. The first time Go builds KEDA (deploy/tools/fetch.sh): deploy/check/keda.sh
#
# `--draw` renews docs/scaling.svg.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/check/table.sh

# It writes its own rows; where the programs cannot be had, it ends with 3 and has said why.
status=0
.venv/bin/python -m tests.cluster keda "$@" || status=$?
case $status in
    0) ;;
    3) skip "KEDA cannot be built here: deploy/tools/fetch.sh says why" ;;
    *) fail "see above" ;;
esac

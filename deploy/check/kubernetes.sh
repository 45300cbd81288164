#!/usr/bin/env bash
# The chart in a real API server, with kwok's nodes: install, upgrade, roll back, drain. The first time Go builds the
# programs (deploy/tools/fetch.sh): deploy/check/kubernetes.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/check/table.sh

# It writes its own rows; where the programs cannot be had, it ends with 3 and has said why.
status=0
.venv/bin/python -m tests.cluster "$@" || status=$?
case $status in
    0) ;;
    3) skip "the API server cannot be built here: deploy/tools/fetch.sh says why" ;;
    *) fail "see above" ;;
esac

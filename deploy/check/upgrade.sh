#!/usr/bin/env bash
# From the release before to this folder and back under load, and the same with another message format:
# deploy/check/upgrade.sh; OLD names a revision instead of the last tag.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/check/table.sh

# Before there was a tag, this was what others had.
OLD=${OLD:-$(git describe --tags --abbrev=0 --match 'v*' 'HEAD^' 2>/dev/null || echo e236489)}

there_and_back() {
    local result
    result=$(.venv/bin/python -m tests.upgrade "$@") || fail "$result"
    row "$1${2:+ $2}" "$result"
}

if git rev-parse --quiet --verify "$OLD^{commit}" >/dev/null; then
    there_and_back --old "$OLD"
else
    row "--old $OLD" "SKIPPED: this checkout has no such revision"
fi
there_and_back --next-format

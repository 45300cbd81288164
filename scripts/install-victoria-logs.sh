#!/usr/bin/env bash
# VictoriaLogs, a log store, in .tools/bin: built by Go, which takes a minute. Without Go it says so, and ends with 3.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=v1.52.2

mkdir -p .tools/bin
if [ -x .tools/bin/victoria-logs ]; then
    exit 0
fi
go=$(command -v go || command -v /usr/local/go/bin/go || true)
if [ -z "$go" ]; then
    echo "athena: SKIPPED: VictoriaLogs is built by Go 1.25 or later, and there is none in PATH or /usr/local/go" >&2
    exit 3
fi
echo "athena: building VictoriaLogs $VERSION into .tools/bin (once, a minute or two) ..." >&2
GOBIN=$PWD/.tools/bin "$go" install "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs@$VERSION"

#!/usr/bin/env bash
# Everything of deploy/ with the real thing, and a table of what was found: deploy/check/run.sh [PART...]
#
# A part ends with 0, with 3 if it was skipped, or else has failed. What a part needs it installs, or says why it cannot.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export TABLE
TABLE=$(mktemp)
trap 'rm -f "$TABLE"' EXIT

PARTS=(images compose bundle systemd upgrade kubernetes keda sealos)
[ $# -gt 0 ] && PARTS=("$@")
failed=() skipped=()
for part in "${PARTS[@]}"; do
    began=$SECONDS
    echo "athena: == $part" >&2
    "deploy/check/$part.sh"
    status=$?
    printf '%s\t%s\t%s\n' "$part" "took" "$((SECONDS - began)) s" >>"$TABLE"
    case $status in
        # What others start is built by then.
        0) [ "$part" != images ] || export REUSE=1 ;;
        3) skipped+=("$part") ;;
        *)
            failed+=("$part")
            # A part that ended by itself has said nothing yet.
            grep -q "^$part"$'\tFAILED' "$TABLE" || printf '%s\tFAILED\twith exit status %s\n' "$part" "$status" >>"$TABLE"
            ;;
    esac
done
awk -F '\t' '{ printf "| %-9s | %-32s | %s |\n", $1, $2, $3 }' "$TABLE"
echo "failed: ${failed[*]:-none}; skipped: ${skipped[*]:-none}"
[ ${#failed[@]} = 0 ]

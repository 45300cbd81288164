#!/usr/bin/env bash
# Chromium, for the test that looks at Flower in a browser.
set -euo pipefail
. "$(dirname "$0")/apt.sh"

need_command chromium chromium chromium-browser google-chrome

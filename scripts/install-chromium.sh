#!/usr/bin/env bash
# Chromium, for the tests that look at the page and at Flower in a browser.
set -euo pipefail
. "$(dirname "$0")/apt.sh"

need_command chromium chromium chromium-browser google-chrome

#!/usr/bin/env bash
# The HTTP clients, proxies and load tools that `make clients` tries: `install-clients.sh [cheap]`, with `cheap` only
# what the suite needs.
set -euo pipefail
. "$(dirname "$0")/apt.sh"

need_command curl curl
if [ "${1:-}" != cheap ]; then
    need_command apache2-utils ab
    need_command wrk wrk
    need_command nginx-light nginx /usr/sbin/nginx
    need_command haproxy haproxy /usr/sbin/haproxy
    need_command golang-go go
    need_command nodejs node
    need_command npm npm
    need_command cargo cargo
    need_command default-jdk-headless javac
    need_command maven mvn
fi

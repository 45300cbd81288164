# Sourced by the other scripts: installs a Debian package where the machine allows it.

# apt_install PACKAGE...: as root, or through sudo where it asks for nothing.
apt_install() {
    local -a as_root=()
    if ! command -v apt-get >/dev/null; then
        echo "athena: needs $*, and there is no apt-get here: install it and try again" >&2
        return 1
    fi
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "athena: needs $*: as root, apt-get install $*" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "athena: installing $* with apt-get ..." >&2
    local -a apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
        apt-get -qq -o DPkg::Lock::Timeout=300)
    # Old lists may still do, so a mirror that fails here is no reason to stop.
    "${apt[@]}" update >/dev/null || true
    if ! "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null; then
        echo "athena: could not install $*: apt-get install $* says why" >&2
        return 1
    fi
}

# need_command PACKAGE COMMAND...: installs PACKAGE unless one of the COMMANDs is there.
need_command() {
    local package=$1 name
    shift
    for name in "$@"; do
        if command -v "$name" >/dev/null; then
            return
        fi
    done
    apt_install "$package"
}

#!/bin/sh
# Installs Athena Serving from this folder, without a network: ./install.sh [--prefix DIR] [--systemd] [--remove]
#
#     --prefix DIR   where it goes (default /opt/athena)
#     --systemd      as root: the units, the user `athena`, and the abilities in /srv/athena/abilities
#     --remove       takes the programs away again; data, settings and abilities stay
#
# It is installed beside what is there: PREFIX/current leads to the new one when that runs, and the one before stays in
# PREFIX/releases for a way back.
set -eu
bundle=$(cd "$(dirname "$0")" && pwd)
prefix=/opt/athena systemd= remove=

fail() {
    echo "athena: $*" >&2
    exit 78
}

while [ $# -gt 0 ]; do
    case $1 in
        --prefix)
            [ $# -gt 1 ] || fail "--prefix needs a folder"
            prefix=$2
            shift
            ;;
        --systemd) systemd=1 ;;
        --remove) remove=1 ;;
        *)
            sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
            exit 2
            ;;
    esac
    shift
done
case $prefix in
    /*) ;;
    *) prefix=$PWD/$prefix ;;
esac
. "$bundle/facts"

check_machine() {
    [ "$(uname -s) $(uname -m)" = "Linux $MACHINE" ] || fail "this bundle is for Linux on $MACHINE, not $(uname -s) on $(uname -m)"
    glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed -n 's/^glibc 2\.//p')
    [ -n "$glibc" ] || fail "needs the GNU C library 2.$GLIBC_MINOR or newer, and there is another one here"
    [ "$glibc" -ge "$GLIBC_MINOR" ] || fail "needs the GNU C library 2.$GLIBC_MINOR or newer, and 2.$glibc is here"
    [ -z "$systemd" ] || command -v systemd-sysusers >/dev/null || fail "--systemd needs systemd, which is not here"
    [ -z "$systemd" ] || [ "$(id -u)" = 0 ] || fail "--systemd needs root"
    mkdir -p "$prefix" || fail "cannot make $prefix"
    free_mb=$(($(df -Pk "$prefix" | awk 'NR == 2 { print $4 }') / 1024))
    [ "$free_mb" -ge "$NEEDED_MB" ] || fail "needs $NEEDED_MB MB in $prefix, and $free_mb MB are free"
}

check_files() {
    (cd "$bundle" && sha256sum --quiet --check SHA256SUMS) || fail "the bundle is damaged: copy it again"
}

# Variables of this machine are for other Pythons and package indexes.
clean() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$release" "$@"
}

install_release() {
    release=$prefix/releases/$VERSION-$(date +%Y%m%d%H%M%S)
    rm -rf "$prefix/releases/.new"
    mkdir -p "$release"
    cp -R "$bundle/python" "$release/python"
    # pip itself makes the environments of abilities whose packages are for nobody else.
    set -- pip "athena-serving[$EXTRAS]"
    for file in "$bundle"/abilities/*/requirements.txt; do
        case " ${OWN_PACKAGES-} " in *" $(basename "$(dirname "$file")") "*) continue ;; esac
        [ ! -e "$file" ] || set -- "$@" --requirement "$file"
    done
    clean "$release/python/bin/python3" -m venv --without-pip "$release"
    clean "$release/bin/python" "$(ls "$bundle"/wheels/pip-*.whl)/pip" --disable-pip-version-check install --quiet \
        --no-index --no-cache-dir --find-links "$bundle/wheels" --constraint "$bundle/wheels/constraints.txt" "$@"
    # Who runs it may not write here.
    clean "$release/bin/python" -m compileall -q "$release"/python/lib/python3* >/dev/null || true
    clean "$release/bin/athena" --version >/dev/null || fail "what was installed in $release does not run"
    if [ -L "$prefix/current" ]; then
        rm -f "$prefix/previous"
        mv "$prefix/current" "$prefix/previous"
    fi
    ln -s "releases/$(basename "$release")" "$prefix/current"
    [ -e "$prefix/bin" ] || ln -s current/bin "$prefix/bin"
    remove_old
}

# The new one and the one before stay.
remove_old() {
    for old in "$prefix"/releases/*; do
        case $(basename "$old") in
            "$(basename "$(readlink "$prefix/current")")" | "$(basename "$(readlink "$prefix/previous" || echo .)")") ;;
            *) rm -rf "$old" ;;
        esac
    done
}

install_units() {
    mkdir -p /etc/systemd/system /usr/lib/sysusers.d /usr/lib/tmpfiles.d /etc/athena
    for unit in "$bundle"/systemd/*.service; do
        sed "s|/opt/athena|$prefix|g" "$unit" >"/etc/systemd/system/$(basename "$unit")"
    done
    cp "$bundle/systemd/sysusers.d/athena.conf" /usr/lib/sysusers.d/
    cp "$bundle/systemd/tmpfiles.d/athena.conf" /usr/lib/tmpfiles.d/
    [ -e /etc/athena/athena.env ] || (umask 027 && cp "$bundle/systemd/athena.env" /etc/athena/athena.env)
    systemd-sysusers athena.conf
    systemd-tmpfiles --create athena.conf
    # What is served already is its operator's.
    for ability in "$bundle"/abilities/*; do
        [ -e "/srv/athena/abilities/$(basename "$ability")" ] || cp -R "$ability" /srv/athena/abilities/
    done
    systemctl daemon-reload 2>/dev/null || true
}

remove_all() {
    if [ -n "$systemd" ]; then
        systemctl disable --now athena.service athena-flower.service 2>/dev/null || true
        rm -f /etc/systemd/system/athena.service /etc/systemd/system/athena-gateway@.service \
            /etc/systemd/system/athena-worker@.service /etc/systemd/system/athena-flower.service \
            /usr/lib/sysusers.d/athena.conf /usr/lib/tmpfiles.d/athena.conf
        systemctl daemon-reload 2>/dev/null || true
    fi
    rm -rf "$prefix/releases" "$prefix/current" "$prefix/previous" "$prefix/bin"
    rmdir "$prefix" 2>/dev/null || true
    echo "removed from $prefix; data in /var/lib/athena, settings in /etc/athena and abilities in /srv/athena stay"
}

if [ -n "$remove" ]; then
    remove_all
    exit
fi
check_machine
check_files
install_release
[ -z "$systemd" ] || install_units
echo "installed $VERSION in $prefix; next:"
if [ -n "$systemd" ]; then
    echo "  systemctl enable --now athena    # or, where it runs: systemctl restart athena"
else
    echo "  cd $bundle && $prefix/bin/athena serve"
fi

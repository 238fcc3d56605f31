#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Both commands of the README on machines that have nothing: a new Debian 12 (run, then test), and
# a new Debian 13 (build and unit tests). Needs root, debootstrap, and the apt sources of this host.
# What is tested is the commit that is checked out.  usage: fresh.sh [bookworm|trixie]
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

say() { printf 'fresh: %s\n' "$*" >&2; }
die() { say "$*"; exit 2; }
[ "$(id -u)" = 0 ] || die "needs root, for debootstrap and chroot"
command -v debootstrap >/dev/null || apt-get -q -y install --no-install-recommends debootstrap >/dev/null ||
    die "debootstrap cannot be installed"

# Where this host gets its packages, whatever the form of its list.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -v security | head -n 1)
[ -n "$mirror" ] || die "apt of this host names no source"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
top=$(mktemp -d /var/tmp/pullgate-fresh.XXXXXX)
root=

leave() {
    local m
    for m in proc dev/pts dev sys .; do
        [ -z "$root" ] || mountpoint -q "$root/$m" 2>/dev/null && umount -l "$(readlink -f "$root/$m")" || true
    done
}
clean() {
    leave
    rm -rf --one-file-system "$top"
}
trap clean EXIT

machine() { # suite
    root=$top/$1
    say "a new $1 in $root"
    debootstrap --variant=minbase --keyring="$keyring" --include=ca-certificates,git \
        "$1" "$root" "$mirror" >"$top/$1.log" 2>&1 ||
        { tail -n 20 "$top/$1.log" >&2; die "debootstrap of $1 failed"; }
    mount --bind "$root" "$root" # so that / is a mount there, too, as on a machine
    mount --make-private "$root"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    cp /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
    if [ -d /usr/local/share/ca-certificates ]; then
        cp -r /usr/local/share/ca-certificates "$root/usr/local/share/" && chroot "$root" update-ca-certificates >/dev/null 2>&1 || true
    fi
    mount --bind /proc "$root/proc"
    mount --bind /dev "$root/dev"
    mount --bind /sys "$root/sys"
    git clone -q --no-hardlinks . "$root/pullgate"
}

inside() { # command...
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent TERM=dumb CI=true \
        bash -c "cd /pullgate && $*" </dev/null
}

port_is_free() {
    ! { exec 3<>/dev/tcp/127.0.0.1/5000; } 2>/dev/null || die "something listens on 127.0.0.1:5000, where ./dev run would serve"
}

# ./dev run serves until it is told to stop; it is told so when it has answered.
run_answers() {
    local log=$top/run.log pid ok=1
    inside "exec ./dev run" >"$log" 2>&1 &
    pid=$!
    timeout 900 grep -qm1 'listening on' <(tail -n +1 -f --pid=$pid "$log") || ok=0
    if [ $ok = 1 ]; then
        exec 3<>/dev/tcp/127.0.0.1/5000 && printf 'GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&3 &&
            grep -q '200 OK' <&3 || ok=0
        exec 3>&-
    fi
    pkill -TERM -P $pid 2>/dev/null || kill -TERM $pid 2>/dev/null || true
    wait $pid || true
    [ $ok = 1 ] || { tail -n 30 "$log" >&2; die "./dev run did not serve"; }
    say "./dev run serves"
}

bookworm() {
    port_is_free
    machine bookworm
    run_answers
    inside ./dev test || die "./dev test failed in a new Debian 12"
    say "./dev test is green in a new Debian 12"
    leave
}

trixie() {
    machine trixie
    inside "./dev build && ./dev test unit" || die "the build or the unit tests failed in a new Debian 13"
    say "it builds and its unit tests are green in a new Debian 13"
    leave
}

for suite in ${*:-bookworm trixie}; do $suite; done
say "good"

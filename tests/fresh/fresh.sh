#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# On machines that have nothing: both commands of the README in a new Debian 12 (run, then test),
# build and unit tests in a new Debian 13, the Debian package installed and serving, the container
# image built and serving, and the cross-build for arm64, run under an emulator. Needs root,
# debootstrap, and the apt sources of this host.
# What is tested is the commit that is checked out.  usage: fresh.sh [bookworm|trixie|package|image|arm64]
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

# A server serves until it is told to stop; it is told so when it has answered.
answers() { # what command...
    local what=$1 log=$top/serve.log pid ok=1
    shift
    "$@" >"$log" 2>&1 &
    pid=$!
    timeout 900 grep -qm1 'listening on' <(tail -n +1 -f --pid=$pid "$log") || ok=0
    if [ $ok = 1 ]; then
        exec 3<>/dev/tcp/127.0.0.1/5000 && printf 'GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&3 &&
            grep -q '200 OK' <&3 || ok=0
        exec 3>&-
    fi
    pkill -TERM -P $pid 2>/dev/null || kill -TERM $pid 2>/dev/null || true
    wait $pid || true
    [ $ok = 1 ] || { tail -n 30 "$log" >&2; die "$what did not serve"; }
    say "$what serves"
}

bookworm() {
    port_is_free
    machine bookworm
    answers "./dev run" inside "exec ./dev run"
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

# The package, installed as its users do, served as its own user, and taken away again.
package() {
    port_is_free
    machine bookworm
    inside "./dev package" || die "no package"
    inside "apt-get install -q -y --no-install-recommends ./build/release/package/pullgate_*.deb" >"$top/apt.log" 2>&1 ||
        { tail -n 20 "$top/apt.log" >&2; die "the package could not be installed"; }
    inside "install -d -o pullgate -g pullgate -m 0700 /var/lib/pullgate && pullgate config check"
    answers "the installed package" inside "exec setpriv --reuid pullgate --regid pullgate --clear-groups pullgate serve"
    inside "apt-get purge -q -y pullgate && ! test -e /usr/bin/pullgate && ! test -e /etc/pullgate/pullgate.yaml && test -d /var/lib/pullgate/journal" >"$top/apt.log" 2>&1 ||
        { tail -n 20 "$top/apt.log" >&2; die "purge left what it should not, or took the journal"; }
    leave
}

# The image, from a base made here; its build needs no more than apt. It is run without a shell.
image() {
    port_is_free
    machine bookworm
    command -v buildah >/dev/null || apt-get -q -y install --no-install-recommends buildah >/dev/null || die "no buildah"
    local storage=(--root "$top/storage" --runroot "$top/run" --storage-driver vfs) mounted container
    leave
    tar -C "$root" --exclude=./pullgate --one-file-system -c . >"$top/base.tar"
    container=$(buildah "${storage[@]}" from scratch)
    buildah "${storage[@]}" add -q "$container" "$top/base.tar" / >/dev/null
    buildah "${storage[@]}" commit -q "$container" localhost/base >/dev/null
    buildah "${storage[@]}" bud -q --isolation chroot --format docker --build-arg BASE=localhost/base \
        -t localhost/pullgate -f docker/Dockerfile "$root/pullgate" >"$top/image.log" 2>&1 ||
        { tail -n 30 "$top/image.log" >&2; die "the image could not be built"; }
    container=$(buildah "${storage[@]}" from --pull-never localhost/pullgate)
    mounted=$(buildah "${storage[@]}" mount "$container")
    [ ! -e "$mounted/bin/sh" ] && [ ! -e "$mounted/usr/bin/sh" ] || die "there is a shell in the image"
    buildah "${storage[@]}" inspect --type image localhost/pullgate | grep -q '"65532:65532"' || die "the image runs as root"
    say "the image has $(du -sm "$mounted" | cut -f1) MiB"
    answers "the image" buildah "${storage[@]}" run --isolation chroot --user 65532:65532 "$container" -- /usr/bin/pullgate serve
    buildah "${storage[@]}" umount -a >/dev/null
}

# The cross-build is a package; what it made runs under an emulator, and so do the unit tests of the
# rooms that need no 64 GiB map, which the emulator cannot give: it has not been seen serving.
arm64() {
    machine bookworm
    inside "dpkg --add-architecture arm64 && apt-get -q update && apt-get install -q -y --no-install-recommends \
        gcc-aarch64-linux-gnu libc6-dev-arm64-cross cmake ninja-build pkg-config dpkg-dev file qemu-user-static node-llhttp \
        libuv1-dev:arm64 libssl-dev:arm64 liblmdb-dev:arm64 libcurl4-openssl-dev:arm64 libjansson-dev:arm64 \
        libyaml-dev:arm64 libxxhash-dev:arm64 libseccomp-dev:arm64 libcmocka-dev:arm64 python3" >"$top/apt.log" 2>&1 ||
        { tail -n 20 "$top/apt.log" >&2; die "no cross-compiler"; }
    inside "cmake --preset arm64 && cmake --build --preset arm64 && cd build/arm64 && cpack" >"$top/arm64.log" 2>&1 ||
        { tail -n 30 "$top/arm64.log" >&2; die "the cross-build failed"; }
    inside "ls build/arm64/package/pullgate_*_arm64.deb && qemu-aarch64-static build/arm64/pullgate config check -c conf/pullgate.yaml" >&2 ||
        die "the arm64 program does not run"
    inside "cmake --preset base-arm64 && cmake --build build/base-arm64" >"$top/arm64.log" 2>&1 ||
        { tail -n 30 "$top/arm64.log" >&2; die "the tests could not be cross-built"; }
    inside "ctest --test-dir build/base-arm64 --output-on-failure -R '^(unit\\.(base|oci)|fuzz)'" >"$top/arm64.log" 2>&1 ||
        { tail -n 40 "$top/arm64.log" >&2; die "unit tests fail on arm64"; }
    say "arm64: $(grep 'tests passed' "$top/arm64.log")"
    leave
}

for suite in ${*:-bookworm trixie package image arm64}; do $suite; done
say "good"

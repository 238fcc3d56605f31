#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Gathers what the image consists of: FOLDER/root is root's, FOLDER/state is the user's.
# usage: gather.sh PROGRAM FOLDER   run from the source root; pullgate-tsa stands beside PROGRAM
set -eu
program=$1
to=$2/root
mkdir -p "$to/usr/bin" "$to/usr/libexec/pullgate" "$to/etc/ssl/certs" "$to/etc/pullgate" "$to/tmp"
chmod 1777 "$to/tmp"
install -d -m 0700 "$2/state/pullgate"
install -s -m 0755 "$program" "$to/usr/bin/pullgate"
helper=$(dirname "$program")/pullgate-tsa
install -s -m 0755 "$helper" "$to/usr/libexec/pullgate/pullgate-tsa"
install -m 0644 docker/pullgate.yaml "$to/etc/pullgate/pullgate.yaml"
install -m 0644 /etc/ssl/certs/ca-certificates.crt "$to/etc/ssl/certs/"
printf 'hosts: files dns\n' >"$to/etc/nsswitch.conf"
printf 'root:x:0:0::/:/\npullgate:x:65532:65532::/var/lib/pullgate:/\n' >"$to/etc/passwd"
printf 'root:x:0:\npullgate:x:65532:\n' >"$to/etc/group"
# Each library under the name by which it is looked for; the loader with them.
{ ldd "$program"; ldd "$helper"; } | grep -o '/[^ ]*' | sort -u | while read -r library; do
    mkdir -p "$to$(dirname "$library")"
    cp -L "$library" "$to$library"
done

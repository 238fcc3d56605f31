#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The shell parts parse, and tests do not sleep: a test that sleeps is slow when it passes and
# wrong when the machine is busy. Wait for an event, a line or a metric instead.
set -u
bad=0
for f in dev .ci/run tests/check/*.sh tests/fresh/*.sh; do
    [ -e "$f" ] && { bash -n "$f" || bad=1; }
done
if grep -rnE '\b(sleep|usleep|nanosleep)\(|^[[:space:]]*sleep ' tests \
    --include='*.py' --include='*.[ch]' --include='*.sh' | grep -v '^tests/check/dev.sh:'; then
    echo "a test sleeps"
    bad=1
fi
git ls-files | grep -E '\.(c|h|py|sh|cmake)$|^dev$|^\.ci/run$|CMakeLists\.txt$' | while read -r f; do
    [ ! -e "$f" ] || head -n 3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$f: no SPDX line"
done | { ! grep .; } || bad=1
exit $bad

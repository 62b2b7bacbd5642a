#!/usr/bin/env bash
# Checks the licences, sources and bans of all dependencies (deny.toml). cargo-deny is built once, outside the clone.
# Advisories are not part of it: their database is not in a package registry. `scripts/deny.sh advisories` fetches it.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
version=0.20.2
tool=$ORDERSTREAM_CACHE/tools/bin/cargo-deny
if ! [ -x "$tool" ] || ! "$tool" --version | grep -qF " $version"; then
    echo "building cargo-deny $version once, into $ORDERSTREAM_CACHE/tools" >&2
    cargo install --quiet --locked --root "$ORDERSTREAM_CACHE/tools" --version "$version" cargo-deny
fi
if [ "$#" -eq 0 ]; then set -- licenses bans sources; fi
exec "$tool" --log-level error check "$@"

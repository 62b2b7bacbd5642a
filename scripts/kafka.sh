#!/usr/bin/env bash
# Prints the folder of Apache Kafka's libraries, from which tests start real brokers; fetches them once, then works offline.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${ORDERSTREAM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/orderstream}
pom=$root/integration-tests/kafka/pom.xml
# Another version is another folder.
target=$cache/kafka/$(sha256sum "$pom" | cut -c1-16)

if [ ! -d "$target" ]; then
    command -v mvn >/dev/null || { printf '%s\n' "no Maven found: install it with apt-get install maven, and try again" >&2; exit 1; }
    fresh=$target.$$
    mvn -q -B -Dstyle.color=never -f "$pom" dependency:copy-dependencies -DoutputDirectory="$fresh" >&2
    # Whole or not at all; another one may have been quicker.
    mv -T "$fresh" "$target" 2>/dev/null || rm -rf "$fresh"
fi
printf '%s\n' "$target"

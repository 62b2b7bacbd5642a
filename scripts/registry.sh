#!/usr/bin/env bash
# Prints the path of a schema registry that tests start; builds it once (about three minutes), then works offline.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${ORDERSTREAM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/orderstream}
module=$root/integration-tests/registry
# Other versions are another folder.
target=$cache/registry/$(cat "$module/go.mod" "$module/go.sum" | sha256sum | cut -c1-16)
binary=$target/schema-registry

if [ ! -x "$binary" ]; then
    command -v go >/dev/null || {
        printf '%s\n' "no Go found: install Go 1.21 or newer from https://go.dev/dl (golang-go of Debian 12 is older), and try again" >&2
        exit 1
    }
    printf '%s\n' "building the schema registry of the tests once, into $target (about three minutes)" >&2
    fresh=$target.$$
    trap 'rm -rf "$fresh"' EXIT
    mkdir -p "$fresh"
    # What go.mod and go.sum say, and nothing newer. An older Go fetches the one that go.mod asks for by itself.
    (cd "$module" && go build -mod=readonly -trimpath -buildvcs=false -o "$fresh/schema-registry" \
        github.com/axonops/axonops-schema-registry/cmd/schema-registry) >&2
    # Whole or not at all; another one may have been quicker.
    mv -T "$fresh" "$target" 2>/dev/null || true
fi
printf '%s\n' "$binary"

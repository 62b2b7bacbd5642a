#!/usr/bin/env bash
# Gives every crate of the workspace the files that its manifest asks for, empty: so that its dependencies can be compiled before its
# sources are there. Files that are there already stay as they are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

empty() { # $1: the file, $2: what is in it
    if ! [ -e "$1" ]; then
        mkdir -p "$(dirname "$1")"
        printf '%s\n' "$2" >"$1"
    fi
}

for manifest in */Cargo.toml; do
    crate=$(dirname "$manifest")
    empty "$crate/src/lib.rs" '//! Empty.'
    # Programs, benchmarks and tests that the manifest names by their path.
    while read -r path; do
        empty "$crate/$path" 'fn main() {}'
    done < <(sed -n 's/^path = "\(.*\.rs\)"$/\1/p' "$manifest")
    # Benchmarks that it names without one.
    while read -r name; do
        empty "$crate/benches/$name.rs" 'fn main() {}'
    done < <(grep -A 1 '^\[\[bench\]\]$' "$manifest" | sed -n 's/^name = "\(.*\)"$/\1/p')
    # Programs that it names without one.
    while read -r name; do
        if ! grep -A 2 '^\[\[bin\]\]$' "$manifest" | grep -q '^path = '; then empty "$crate/src/bin/$name.rs" 'fn main() {}'; fi
    done < <(grep -A 1 '^\[\[bin\]\]$' "$manifest" | sed -n 's/^name = "\(.*\)"$/\1/p')
done

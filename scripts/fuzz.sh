#!/usr/bin/env bash
# Lets libFuzzer look for inputs that a decoder cannot take, guided by coverage: scripts/fuzz.sh SECONDS_EACH [TARGET...]
# What it learnt is kept below the cache, so that the next run goes on from there; what it found is kept and printed with the one
# command that runs it again. Exit 0: nothing found. 1: something found, or it could not be built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
source scripts/env.sh
seconds_each=${1:-4}
shift || true

# Memory of one target, and of one allocation in it: what an input of this length may cost.
rss_mb_max=1024
malloc_mb_max=256
# One input may take so long; the machine may be busy, what explodes takes minutes.
seconds_input_max=20
bytes_max=65536

# All packages at once, as every build: with one of them, cargo chooses other features of what they share and compiles all of it again.
# In the common target folder: what a workspace wrapper compiled is kept apart there, and everything else is shared.
RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/fuzz-rustc.sh \
    cargo build --locked --quiet --workspace --features fuzz/libfuzzer --bin decoders
decoders=$CARGO_TARGET_DIR/debug/decoders
work=$ORDERSTREAM_CACHE/fuzz
mkdir -p "$work"
cargo build --locked --quiet --workspace --bin fuzz
fuzz=$CARGO_TARGET_DIR/debug/fuzz
"$fuzz" seeds "$work/seeds"
if [ "$#" -eq 0 ]; then mapfile -t targets < <("$fuzz" list); else targets=("$@"); fi

found=0
for target in "${targets[@]}"; do
    mkdir -p "$work/corpus/$target" "$work/found/$target"
    log=$work/$target.log
    status=0
    ORDERSTREAM_FUZZ_TARGET=$target "$decoders" -max_total_time="$seconds_each" -max_len="$bytes_max" \
        -timeout="$seconds_input_max" -rss_limit_mb="$rss_mb_max" -malloc_limit_mb="$malloc_mb_max" \
        -artifact_prefix="$work/found/$target/" -print_final_stats=1 \
        "$work/corpus/$target" "$work/seeds/$target" >"$log" 2>&1 || status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
    covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    printf '%-12s %9s inputs, %6s places reached\n' "$target" "${runs:-?}" "${covered:-?}"
    if [ "$status" -ne 0 ]; then
        found=1
        artifact=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        grep -m 3 -E 'panicked at|ERROR: libFuzzer|overflowed' -A 2 "$log" || tail -n 5 "$log"
        echo "  found: ${artifact:-nothing was written; see $log}"
        [ -z "$artifact" ] || echo "  again: cargo run -p fuzz -- replay $target $artifact"
    fi
done
exit "$found"

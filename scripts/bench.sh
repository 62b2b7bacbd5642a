#!/usr/bin/env bash
# Measures what is claimed: scripts/bench.sh [--no-compare] [ARGUMENTS of `orderstream-bench all`]
# The figures go to standard output as a table, and as JSON to the file that is named in the end. Then the planner, the codec and the
# whole line, without any disk, are measured for the last commit and for this tree in turn, and what got slower is said.
# Exit 0: measured. 1: it could not be. 3: something is slower by more than the limit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
source scripts/env.sh
compare=yes
if [ "${1:-}" = --no-compare ]; then compare=; shift; fi

# As shipped, and not as tested: optimised across crates.
cargo build --locked --quiet --workspace --release --bin orderstream --bin orderstream-bench
results=$ORDERSTREAM_CACHE/bench
mkdir -p "$results"
json=$results/$(date -u +%Y%m%dT%H%M%SZ).json
"$CARGO_TARGET_DIR/release/orderstream-bench" all --json "$json" "$@"
echo "as JSON: $json"
# The same workload on Kafka, with a broker that is started for it, beside a bare transactional loop.
if command -v java >/dev/null; then
    kafka=${json%.json}-kafka.json
    "$CARGO_TARGET_DIR/release/orderstream-bench" kafka --json "$kafka"
    echo "as JSON: $kafka"
else
    echo "no Java found: nothing is measured on Kafka"
fi
[ -n "$compare" ] || exit 0

# The last commit: what HEAD was made of if the tree is clean, else HEAD itself.
base=HEAD
if git diff --quiet HEAD --; then base=HEAD~1; fi
before=$ORDERSTREAM_CACHE/bench-before
git worktree remove --force "$before" 2>/dev/null || true
git worktree add --quiet --detach "$before" "$base"
trap 'git worktree remove --force "$before"' EXIT
# Each builds in its own folder of the workspace, and shares all that is from outside it.
(cd "$before" && cargo bench --locked --quiet --workspace --bench line -- --save-baseline before --noplot >/dev/null)
log=$results/compared.txt
cargo bench --locked --quiet --workspace --bench line -- --baseline before --noplot | tee "$log"
scripts/slower.sh "$log"

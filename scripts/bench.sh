#!/usr/bin/env bash
# Measures what is claimed: scripts/bench.sh [--no-compare] [ARGUMENTS of `orderstream-bench all`]
# Then W6 on one core and on two, and with more workers; and where there is Java, W6 and many open orders on Kafka.
# The figures go to standard output as tables, and as JSON to the files that are named in the end. Then the planner, the codec and the
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
growth=${json%.json}-growth.json
"$CARGO_TARGET_DIR/release/orderstream-bench" growth --json "$growth"
echo "as JSON: $growth"
# The same workload on Kafka, with a broker that is started for it, beside a bare transactional loop.
if command -v java >/dev/null; then
    kafka=${json%.json}-kafka.json
    "$CARGO_TARGET_DIR/release/orderstream-bench" kafka --json "$kafka"
    echo "as JSON: $kafka"
    kafka=${json%.json}-kafka-open.json
    "$CARGO_TARGET_DIR/release/orderstream-bench" kafka-open-orders --json "$kafka"
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
# Each builds in its own folder of the workspace, and shares all that is from outside it. Both are built before either is measured.
bench() { (cd "$1" && cargo bench --locked --quiet --workspace --bench line "${@:2}"); }
bench "$before" --no-run
bench . --no-run
# One of the last commit, and the same of this tree right behind it: what else the machine does then strikes both.
paired() {
    bench "$before" -- --exact "$1" --save-baseline before --noplot >/dev/null
    bench . -- --exact "$1" --baseline before --noplot
}
compared=$ORDERSTREAM_CACHE/bench-compared
rm -rf "$compared" && mkdir "$compared"
mapfile -t names < <(bench . -- --list | sed -n 's/: benchmark$//p')
[ "${#names[@]}" -gt 0 ] || { echo "no benchmark was found to compare" >&2; exit 1; }
for name in "${names[@]}"; do
    paired "$name" | tee -a "$compared/once"
done
# What looks slower is measured once more before anybody is told.
scripts/slower.sh "$compared/once" >"$compared/slower" && exit 0
while read -r name _; do
    echo "$name looks slower, and is measured again"
    paired "$name" | tee -a "$compared/again"
done <"$compared/slower"
scripts/slower.sh "$compared/again"

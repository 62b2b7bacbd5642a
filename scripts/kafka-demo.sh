#!/usr/bin/env bash
# Runs a command of orderstream on Kafka: by default the demo. Broker and registry are started where the environment names none; topics and
# schemas are made before.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/env.sh
source "$root/scripts/env.sh"
export ORDERSTREAM_BIN=${ORDERSTREAM_BIN:-$CARGO_TARGET_DIR/debug/orderstream}
# One process on one broker: a transaction pays for each partition that it touches, and two are enough for two workers.
export ORDERSTREAM__LOG__PARTITIONS=${ORDERSTREAM__LOG__PARTITIONS:-2}
[ $# -gt 0 ] || set -- demo
# shellcheck disable=SC2016 # for the shell that has the broker in its environment
exec "$root/scripts/with-kafka.sh" bash -euc 'said=$("$ORDERSTREAM_BIN" topics create) || { printf "%s\n" "$said" >&2; exit 1; }
exec "$ORDERSTREAM_BIN" "$@"' kafka-demo "$@"

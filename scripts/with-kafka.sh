#!/usr/bin/env bash
# Runs a command with a Kafka broker and a schema registry in its environment. What that does not name already is started here, and ended with
# the command: a broker (unless ORDERSTREAM__KAFKA__BROKERS is set) and a registry (unless ORDERSTREAM__REGISTRY__URL is set). Schemas are
# registered before; topics are the command's own affair.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/env.sh
source "$root/scripts/env.sh"
orderstream=${ORDERSTREAM_BIN:-$CARGO_TARGET_DIR/debug/orderstream}
[ $# -gt 0 ] || { printf '%s\n' "usage: scripts/with-kafka.sh COMMAND [ARGUMENT...]" >&2; exit 2; }
# How long broker and registry may take to answer, in tenths of a second.
start_wait=600
folder=$(mktemp -d)
started=()

finish() {
    local status=$?
    for pid in "${started[@]}"; do
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$folder"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Two ports that nobody has, found by asking for them.
free_ports() {
    python3 -c 'import socket
free = [socket.socket() for _ in range(int('"$1"'))]
[one.bind(("127.0.0.1", 0)) for one in free]
print(*[one.getsockname()[1] for one in free])'
}

# Until something listens there; says what the program logged if it ends before.
await() {
    local port=$1 pid=$2 log=$3 left=$start_wait
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        kill -0 "$pid" 2>/dev/null || { cat "$log" >&2; exit 1; }
        left=$((left - 1))
        [ "$left" -gt 0 ] || { printf '%s\n' "nothing answers on port $port" >&2; cat "$log" >&2; exit 1; }
        sleep 0.1
    done
}

start_broker() {
    local jars port controller
    jars=$("$root/scripts/kafka.sh")
    read -r port controller < <(free_ports 2)
    cat >"$folder/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$folder/data
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=8388608
PROPERTIES
    # The optimising compiler would take half a core for the first minutes.
    local java=(java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$jars/*")
    "${java[@]}" kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg -c "$folder/server.properties" \
        >"$folder/format.log" 2>&1 || { cat "$folder/format.log" >&2; exit 1; }
    "${java[@]}" kafka.Kafka "$folder/server.properties" >"$folder/broker.log" 2>&1 &
    started+=("$!")
    await "$port" "$!" "$folder/broker.log"
    export ORDERSTREAM__KAFKA__BROKERS=127.0.0.1:$port ORDERSTREAM__KAFKA__REPLICATION=1
    # For whoever measures what it costs.
    export ORDERSTREAM_BROKER_PID=$! ORDERSTREAM_BROKER_DATA=$folder/data
    printf '%s\n' "a Kafka broker runs at 127.0.0.1:$port"
}

start_registry() {
    local program port
    program=$("$root/scripts/registry.sh")
    port=$(free_ports 1)
    SCHEMA_REGISTRY_HOST=127.0.0.1 SCHEMA_REGISTRY_PORT=$port SCHEMA_REGISTRY_STORAGE_TYPE=memory \
        "$program" >"$folder/registry.log" 2>&1 &
    started+=("$!")
    await "$port" "$!" "$folder/registry.log"
    export ORDERSTREAM__REGISTRY__URL=http://127.0.0.1:$port
    printf '%s\n' "a schema registry runs at $ORDERSTREAM__REGISTRY__URL"
}

export ORDERSTREAM__LOG__KIND=kafka
export ORDERSTREAM__NODE__NAME=${ORDERSTREAM__NODE__NAME:-demo}
if [ -z "${ORDERSTREAM__KAFKA__BROKERS:-}" ]; then
    start_broker
else
    # A cluster that is shared: topics of this run alone, since the oracle counts all that lies on them.
    export ORDERSTREAM__KAFKA__PREFIX=${ORDERSTREAM__KAFKA__PREFIX:-demo-$(date +%s)-$$.}
fi
[ -n "${ORDERSTREAM__REGISTRY__URL:-}" ] || start_registry
"$orderstream" schemas register >"$folder/schemas.log" || { cat "$folder/schemas.log" >&2; exit 1; }
"$@"

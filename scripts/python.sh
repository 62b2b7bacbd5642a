#!/usr/bin/env bash
# Makes the Python environment of the examples, once and outside the clone, and prints its interpreter. A second run costs nothing.
set -euo pipefail
ORDERSTREAM_CACHE=${ORDERSTREAM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/orderstream}
requirements=$(dirname "${BASH_SOURCE[0]}")/requirements.txt
environment=$ORDERSTREAM_CACHE/python
# The stamp is what was installed: other versions make the environment anew.
if ! cmp -s "$requirements" "$environment/requirements.txt" || ! "$environment/bin/python" -c 'import confluent_kafka, duckdb, fastavro' 2>/dev/null; then
    command -v python3 >/dev/null || { echo "no python3: install python3 and python3-venv" >&2; exit 1; }
    echo "making the Python environment of the examples once, in $environment" >&2
    rm -rf "$environment"
    python3 -m venv "$environment" || { echo "python3 makes no environment: install python3-venv" >&2; exit 1; }
    "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
    cp "$requirements" "$environment/requirements.txt"
fi
printf '%s\n' "$environment/bin/python"

# shellcheck shell=bash
# Sourced, not run: the environment of every build, so that demo, tests and CI share one target folder and one RocksDB.
# ORDERSTREAM_CACHE moves both; a set CARGO_TARGET_DIR or ROCKSDB_LIB_DIR is respected.
ORDERSTREAM_CACHE=${ORDERSTREAM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/orderstream}
export ORDERSTREAM_CACHE
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$ORDERSTREAM_CACHE/target}
if [ -z "${ROCKSDB_LIB_DIR:-}" ]; then
    ROCKSDB_LIB_DIR=$("$(dirname "${BASH_SOURCE[0]}")"/rocksdb.sh) || return 1
fi
export ROCKSDB_LIB_DIR
export ROCKSDB_STATIC=1
# The interpreter of the examples' environment; scripts/python.sh makes it.
export ORDERSTREAM_PYTHON=$ORDERSTREAM_CACHE/python/bin/python
# Where this checkout is, for pages and examples that use its files.
ORDERSTREAM_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export ORDERSTREAM_SOURCE

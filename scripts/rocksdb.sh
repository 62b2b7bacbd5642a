#!/usr/bin/env bash
# Builds librocksdb.a from the sources of the librocksdb-sys crate that Cargo.lock names, and prints the folder it lies in.
#
# Cargo would compile 343 C++ files one by one, which is most of a cold build. The same sources in groups of sixteen
# (RocksDB keeps itself buildable as one unit) take about a third of that. The result is kept outside the clone, under
# its version, and handed to the crate by ROCKSDB_LIB_DIR and ROCKSDB_STATIC=1; a second run costs nothing.
set -euo pipefail

cache=${ORDERSTREAM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/orderstream}
group_files_max=16

say() { printf '%s\n' "$*" >&2; }

crate_dir() { # the folder of the crate $1, of the version that Cargo.lock names
    local version
    version=$(grep -A 1 "^name = \"$1\"$" Cargo.lock | sed -n 's/^version = "\(.*\)"$/\1/p')
    find "${CARGO_HOME:-$HOME/.cargo}/registry/src" -maxdepth 2 -name "$1-$version" 2>/dev/null | head -n 1
}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if ! [ -d "$(crate_dir librocksdb-sys)" ] || ! [ -d "$(crate_dir lz4-sys)" ]; then cargo fetch --locked >&2; fi
source_dir=$(crate_dir librocksdb-sys)
lz4_dir=$(find "$(crate_dir lz4-sys)" -name lz4.h -printf '%h\n' | head -n 1)
[ -f "$source_dir/rocksdb_lib_sources.txt" ] || { say "librocksdb-sys has no rocksdb_lib_sources.txt in \"$source_dir\": run cargo fetch"; exit 1; }
[ -f "$lz4_dir/lz4.h" ] || { say "lz4-sys has no lz4.h in \"$lz4_dir\": run cargo fetch"; exit 1; }

out=$cache/rocksdb/$(basename "$source_dir")-$(uname -m)-1
if [ -f "$out/librocksdb.a" ]; then
    printf '%s\n' "$out"
    exit 0
fi

say "building RocksDB once, into $out (about four minutes on two cores)"
work=$out.building.$$
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"
compiler=$(command -v clang++ || command -v g++ || true)
[ -n "$compiler" ] || { say "no C++ compiler: install clang or g++"; exit 1; }
case $(uname -m) in
x86_64) machine=(-msse4.2 -mpclmul) ;;
aarch64) machine=(-march=armv8-a+crc+crypto) ;;
*) machine=() ;;
esac
flags=(-std=c++20 -O2 -g0 -w -fPIC -include cstdint -DNDEBUG -DLZ4=1 -DHAVE_ALIGNED_NEW -DHAVE_UINT128_EXTENSION
    -DOS_LINUX -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX -DROCKSDB_SCHED_GETCPU_PRESENT
    -DROCKSDB_AUXV_GETAUXVAL_PRESENT -DROCKSDB_FALLOCATE_PRESENT -DROCKSDB_RANGESYNC_PRESENT
    "${machine[@]}" -I"$source_dir/rocksdb/include" -I"$source_dir/rocksdb" -I"$source_dir" -I"$lz4_dir")

grep -v '^util/build_version.cc$' "$source_dir/rocksdb_lib_sources.txt" | tr -d '\r ' | grep . >"$work/sources"

unit=0
in_unit=$group_files_max
while read -r file; do
    if [ "$in_unit" -ge "$group_files_max" ]; then
        unit=$((unit + 1))
        in_unit=0
    fi
    printf '#include "%s/rocksdb/%s"\n' "$source_dir" "$file" >>"$work/unit_$(printf %03d "$unit").cc"
    in_unit=$((in_unit + 1))
done <"$work/sources"
printf '#include "%s/build_version.cc"\n' "$source_dir" >"$work/unit_version.cc"

# A unit whose files do not go together is compiled file by file instead: slower, never wrong.
compile() {
    local unit=$1 object=${1%.cc}.o n=0 line
    if "$compiler" "${flags[@]}" -c "$unit" -o "$object" 2>"$object.err"; then
        touch "$unit.done"
        return 0
    fi
    while read -r line; do
        n=$((n + 1))
        printf '%s\n' "$line" >"${unit%.cc}.part$n.cxx"
        "$compiler" -x c++ "${flags[@]}" -c "${unit%.cc}.part$n.cxx" -o "${unit%.cc}.part$n.o" || return 1
    done <"$unit"
    touch "$unit.done"
}
running=0
jobs_max=$(nproc)
for unit in "$work"/unit_*.cc; do
    compile "$unit" &
    running=$((running + 1))
    if [ "$running" -ge "$jobs_max" ]; then
        wait -n
        running=$((running - 1))
    fi
done
wait
# A job in the background fails silently, and an archive with a hole would be kept for ever.
for unit in "$work"/unit_*.cc; do
    [ -f "$unit.done" ] || { say "could not compile $(basename "$unit"); see the compiler's messages above"; exit 1; }
done
parts=$(find "$work" -name 'unit_*.part1.o' | wc -l)
ar crs "$work/librocksdb.a" "$work"/unit_*.o
# No pipe into grep -q: it closes early, and the archive's own listing would then count as failed.
nm --defined-only "$work/librocksdb.a" >"$work/symbols" 2>/dev/null || true
grep -q ' rocksdb_open$' "$work/symbols" || {
    say "the archive lacks rocksdb_open: the build failed; see the compiler's messages above"
    exit 1
}
say "RocksDB is built ($parts of its groups file by file)"
mkdir -p "$out"
mv "$work/librocksdb.a" "$out/librocksdb.a"
printf '%s\n' "$out"

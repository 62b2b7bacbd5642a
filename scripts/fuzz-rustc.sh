#!/usr/bin/env bash
# The compiler of the fuzz targets: cargo calls it for the crates of this workspace alone (RUSTC_WORKSPACE_WRAPPER), so that only our
# own code counts what it executes, and compiled dependencies are shared with every other build. LLVM's coverage counters are part of
# stable Rust; the sanitizers, which are not, are not needed: nothing here is unsafe.
set -euo pipefail
rustc=$1
shift
# A build script is a program of its own, without libFuzzer.
case " $* " in *" build_script_build "*) exec "$rustc" "$@" ;; esac
# libFuzzer reads the counters, the table of the places they belong to, and the values that are compared.
exec "$rustc" "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1

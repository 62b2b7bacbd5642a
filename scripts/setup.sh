#!/usr/bin/env bash
# Installs what a build needs on Debian or Ubuntu, says what, and asks nothing where it may install by itself.
set -euo pipefail

packages=(build-essential clang libclang-dev pkg-config libssl-dev openssl ca-certificates curl shellcheck
    postgresql python3 python3-venv)
# For the consumer in Java (docs/consumers.md), which a test compiles and runs; and for the Kafka brokers of tests.
packages+=(openjdk-17-jdk-headless maven)
# For a test, its checker of units.
packages+=(systemd)
rust_min=1.95
# For the schema registry of tests (scripts/registry.sh). From this version on, Go fetches the newer one that a module asks for by itself.
go_min=1.21

say() { printf '%s\n' "$*" >&2; }

missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
    say "installing system packages: ${missing[*]}"
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { say "not root and no sudo: install ${missing[*]} and try again"; exit 1; }
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if ! command -v cargo >/dev/null && [ -f "$HOME/.cargo/env" ]; then
    # shellcheck disable=SC1091
    . "$HOME/.cargo/env"
fi
if ! command -v cargo >/dev/null; then
    say "no Rust toolchain found; Orderstream needs Rust $rust_min or newer"
    if [ -t 0 ] && [ -z "${CI:-}" ]; then
        read -r -p "Run rustup's own installer (https://rustup.rs) now? [Y/n] " answer
        case $answer in "" | y | Y | yes) ;; *) say "install Rust and try again"; exit 1 ;; esac
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c clippy -c rustfmt
        say "Rust is installed; open a new shell, or run: . \"\$HOME/.cargo/env\", and try again"
        exit 1
    fi
    say "install it with: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
    exit 1
fi
have=$(rustc --version | cut -d' ' -f2)
if [ "$(printf '%s\n%s\n' "$rust_min" "$have" | sort -V | head -n 1)" != "$rust_min" ]; then
    say "Rust $have is too old, Orderstream needs $rust_min or newer: rustup update stable"
    exit 1
fi

# Only tests need it, so it keeps nobody from building.
if ! command -v go >/dev/null; then
    say "no Go found: tests of the schema registry need Go $go_min or newer; install it from https://go.dev/dl (Debian 12's golang-go is older)"
else
    have=$(go env GOVERSION | sed 's/^go//')
    if [ "$(printf '%s\n%s\n' "$go_min" "$have" | sort -V | head -n 1)" != "$go_min" ]; then
        say "Go $have is too old: tests of the schema registry need Go $go_min or newer; install it from https://go.dev/dl"
    fi
fi

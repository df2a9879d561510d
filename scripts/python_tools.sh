#!/usr/bin/env bash
# Installs the Python packages of scripts/NAME-requirements.txt into target/NAME-tools, once, and prints that folder.
set -euo pipefail
cd "$(dirname "$0")/.."

tools="$(realpath -m "${CARGO_TARGET_DIR:-target}")/$1-tools"
wanted="scripts/$1-requirements.txt"
if ! cmp -s "$wanted" "$tools/installed.txt"; then
    python3 -m venv --clear "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" >&2
    cp "$wanted" "$tools/installed.txt"
fi
echo "$tools"

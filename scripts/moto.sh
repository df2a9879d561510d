#!/usr/bin/env bash
# Runs the contract tests of the stores against moto, which emulates AWS, over a socket. The script installs moto from PyPI into a
# temporary folder, starts it on a free loopback port, and stops it in the end, even when something fails or takes too long.
# MOTO_VENV may name a Python environment that has moto, or where the script keeps moto for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."

MOTO='moto[server,s3,dynamodb]==5.2.5'
LIMIT=900

if [ -z "${MOTO_LIMITED:-}" ]; then
    # timeout ends the process group, and with it all processes of this script.
    MOTO_LIMITED=yes exec timeout --kill-after=30 "$LIMIT" bash scripts/moto.sh "$@"
fi

folder=$(mktemp -d)
server=
stop() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 143' TERM INT

venv=${MOTO_VENV:-$folder/venv}
if [ ! -x "$venv/bin/moto_server" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$MOTO"
fi

# Build before the server starts, so that a test that does not compile fails at once. Build for the whole workspace, to reuse what
# `cargo test --workspace` has built.
cargo test --quiet --workspace --test tests --no-run

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$venv/bin/moto_server" -H 127.0.0.1 -p "$port" >"$folder/log" 2>&1 &
server=$!
for _ in $(seq 300); do
    curl -sf -o "$folder/answer" "http://127.0.0.1:$port/moto-api/" && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
if ! curl -sf -o "$folder/answer" "http://127.0.0.1:$port/moto-api/"; then
    cat "$folder/log" >&2
    echo "moto did not start" >&2
    exit 1
fi

# The credentials belong to no account, so these tests cannot reach AWS.
env AWS_ENDPOINT_URL="http://127.0.0.1:$port" AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \
    cargo test --workspace --test tests live:: || { tail -n 30 "$folder/log" >&2; exit 1; }

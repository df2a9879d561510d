#!/usr/bin/env bash
# Runs the contracts of the stores against moto, which speaks as AWS does, over a socket. It is installed from PyPI into a
# temporary folder, listens on a free loopback port, and is stopped in the end, also when something fails or takes too long.
# A Python environment that has it already can be named in MOTO_VENV, where it is also kept for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."

MOTO='moto[server,s3,dynamodb]==5.2.5'
LIMIT=900

if [ -z "${MOTO_LIMITED:-}" ]; then
    # All processes of this script are in the group that ends with it.
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

# Built before the server starts, so that a test that does not compile is told of at once; of the whole workspace, because what
# `cargo test --workspace` has built is used again.
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

# The credentials are nobody's: these tests cannot reach AWS.
env AWS_ENDPOINT_URL="http://127.0.0.1:$port" AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \
    cargo test --workspace --test tests live:: || { tail -n 30 "$folder/log" >&2; exit 1; }

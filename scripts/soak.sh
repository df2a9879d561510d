#!/usr/bin/env bash
# Puts `loan-engine serve` under load, and fails for any error but 429 and for memory that grows.
#
#   scripts/soak.sh                         10 minutes, 200 clients: reads, uploads and runs
#   scripts/soak.sh --minutes 2 --clients 50
#   scripts/soak.sh --queue 1000            1,000 small runs, queued at once; all must finish
#
# LOAN_ENGINE names a binary to use; otherwise a release is built. The load generator (Locust) is installed into
# target/soak. Needs Linux, and python3 with venv.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${LOAN_ENGINE:-}" ]; then
    cargo build --release -p cli --features serve
    LOAN_ENGINE=target/release/loan-engine
fi
venv=target/soak
if [ ! -x "$venv/bin/locust" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r scripts/soak/requirements.txt
fi
exec "$venv/bin/python" scripts/soak/soak.py --binary "$LOAN_ENGINE" "$@"

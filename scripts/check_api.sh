#!/usr/bin/env bash
# Validates the OpenAPI document of `loan-engine serve` with openapi-spec-validator, and its examples against their schemas. Then
# sends the server requests that the document allows, and others that it does not allow, with schemathesis: no answer may be a
# server error, and the document must describe each answer. scripts/api.toml selects the requests, which are always the same. The
# script installs both tools from PyPI into target/ once. The data of the server is in a temporary folder, which the script
# removes in the end.
set -euo pipefail
cd "$(dirname "$0")/.."

LIMIT=1200
if [ -z "${CHECK_API_LIMITED:-}" ]; then
    # timeout ends the process group, and with it all processes of this script.
    CHECK_API_LIMITED=yes exec timeout --kill-after=30 "$LIMIT" bash scripts/check_api.sh "$@"
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

tools=$(scripts/python_tools.sh api)

# Build the command as the tests do, for the whole workspace, to reuse what `cargo test --workspace` has built.
cargo test --quiet --workspace --test tests --no-run
password="a password for admin"
LOAN_ENGINE_ADMIN_PASSWORD="$password" "${CARGO_TARGET_DIR:-target}/debug/loan-engine-under-test" serve --port 0 --data-dir "$folder/data" \
    >"$folder/said" 2>"$folder/log" &
server=$!
for _ in $(seq 300); do
    API_ADDRESS=$(grep -o 'http://[0-9.:]*' "$folder/said" || true)
    [ -z "$API_ADDRESS" ] || break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
if [ -z "$API_ADDRESS" ]; then
    cat "$folder/said" "$folder/log" >&2
    echo "loan-engine did not start" >&2
    exit 1
fi
API_TOKEN=$("$tools/bin/python" -c '
import sys, requests
answer = requests.post(sys.argv[1] + "/api/auth/login", data={"username": "admin", "password": sys.argv[2]})
print(answer.json()["access_token"])' "$API_ADDRESS" "$password")
export API_ADDRESS API_TOKEN API_HOOKS="$PWD/scripts/api_hooks.py"

"$tools/bin/python" scripts/check_document.py "$API_ADDRESS/openapi.json"
cd "$folder"
"$tools/bin/schemathesis" --no-color --config-file "$OLDPWD/scripts/api.toml" run "$API_ADDRESS/openapi.json" "$@"
# A panic of a handler gives a 500; a panic of a task behind a handler is only in the log.
if grep -m 5 -i 'panicked' "$folder/log"; then
    echo "the log contains a panic" >&2
    exit 1
fi

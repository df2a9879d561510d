#!/usr/bin/env bash
# Executes the commands of the README under "Run the Lambda functions on one machine", one by one: starts the stores and
# `cargo lambda watch`, sends a whole run through the functions, and stops both. The script uses free loopback ports and a
# temporary folder, and ends by itself, even when something hangs. cargo-lambda comes from the PATH, or else from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."

CARGO_LAMBDA=cargo-lambda==1.9.2
LIMIT=1500

if [ -z "${TRY_WATCH_LIMITED:-}" ]; then
    # timeout ends the process group, and with it all processes of this script.
    TRY_WATCH_LIMITED=yes exec timeout --kill-after=30 "$LIMIT" bash scripts/try_watch.sh "$@"
fi

folder=$(mktemp -d)
started=()
stop() {
    # Stop the functions first, then their stores. The emulator may hang when it is stopped while it starts something.
    for ((at = ${#started[@]} - 1; at >= 0; at--)); do
        kill "${started[at]}" 2>/dev/null || true
        for _ in $(seq 100); do
            kill -0 "${started[at]}" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "${started[at]}" 2>/dev/null || true
    done
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 143' TERM INT

fail() {
    tail -n 40 "$folder"/*.log >&2
    echo "$1" >&2
    exit 1
}

if ! command -v cargo-lambda >/dev/null; then
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$CARGO_LAMBDA"
    PATH=$folder/venv/bin:$PATH
fi

# Extract the commands of the README: one file for each block, numbered from 0.
awk -v folder="$folder" '
    /^## / { inside = ($0 == "## Run the Lambda functions on one machine"); next }
    inside && /^    / { if (!open) { block++; open = 1 } print substr($0, 5) > (folder "/block-" block - 1); next }
    { open = 0 }
' README.md
read -r -a ports <<<"$(python3 -c '
import socket
sockets = [socket.socket() for _ in range(3)]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))')"
sed -i -e "s#9000#${ports[2]}#g" -e "s#\(\./\)\?\.env\.local#$folder/env#g" \
    -e "s#loan-engine stores#& --data-dir $folder/data --dynamodb-port ${ports[0]} --s3-port ${ports[1]}#" "$folder"/block-*
# Blocks: 0 installs, 1 builds and starts the stores, 2 creates the administrator, 3 starts the functions, and the others send
# requests to them.
[ -e "$folder/block-4" ] || fail "the README does not have the blocks of commands that this script knows"

build=$(grep '^cargo build' "$folder/block-1")
$build
started_stores=$(grep 'loan-engine stores' "$folder/block-1")
bash -c "exec $started_stores" >"$folder/stores.log" 2>&1 &
started+=($!)
for _ in $(seq 300); do
    grep -qs ^ENVIRONMENT= "$folder/env" && break
    kill -0 "${started[0]}" 2>/dev/null || fail "the stores did not start"
    sleep 0.1
done
bash -euo pipefail "$folder/block-2"

bash -c "exec $(cat "$folder/block-3")" >"$folder/watch.log" 2>&1 &
started+=($!)
for _ in $(seq 300); do
    curl -sf -m 60 -o "$folder/answer" "http://127.0.0.1:${ports[2]}/health" && break
    kill -0 "${started[1]}" 2>/dev/null || fail "cargo lambda watch did not start"
    sleep 0.1
done

find "$folder" -name "block-[4-9]" | sort | xargs cat >"$folder/commands"
if ! bash -euo pipefail "$folder/commands" >"$folder/said" 2>"$folder/said.log"; then
    cat "$folder/said" >&2
    fail "a command of the README failed"
fi
cat "$folder/said"
echo
grep -q '"ended":"completed"' "$folder/said" || fail "the run did not complete"
grep -q '"status":"completed","total_loans":201,' "$folder/said" || fail "the summary is not that of the sample"
grep -q '"created":\["' "$folder/said" || fail "the incoming tape started no run"
echo "the run went through the functions"

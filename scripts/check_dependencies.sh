#!/usr/bin/env bash
# Checks the linked crates, as deny.toml says: licences, sources, versions, layers, and, when their database can be fetched,
# advisories. The database is not at the registry of the crates: on a machine that cannot reach it, the script says so and goes
# on. The script builds cargo-deny into target/ once.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=0.20.2
tools="${CARGO_TARGET_DIR:-target}/cargo-tools"
if ! "$tools/bin/cargo-deny" --version 2>/dev/null | grep -qx "cargo-deny $wanted"; then
    cargo install cargo-deny --version "$wanted" --locked --quiet --root "$tools"
fi
"$tools/bin/cargo-deny" check bans licenses sources
if "$tools/bin/cargo-deny" fetch db >"$tools/advisories.log" 2>&1; then
    "$tools/bin/cargo-deny" check --disable-fetch advisories
else
    echo "advisories were NOT checked, because their database could not be fetched: $(grep . "$tools/advisories.log" | tail -n 1)" >&2
fi

# The core links no SDK, no HTTP and no async runtime, the command without its feature `serve` no SDK, no HTTP and no database, and
# with it nothing of Lambda.
linked() {
    cargo tree --locked --package "$@" --edges normal --prefix none --format '{p}' | cut -d ' ' -f 1 | sort -u
}
if linked shared | grep -E '^(aws-|axum|hyper|tokio)'; then
    echo "the crate shared must not link these" >&2
    exit 1
fi
if linked cli | grep -E '^(aws-|axum|hyper|dynoxide|s3s|libsqlite3|rusqlite)'; then
    echo "the command loan-engine without its feature serve must not link these" >&2
    exit 1
fi
if linked cli --features serve | grep '^lambda_'; then
    echo "the command loan-engine must not link what only Lambdas use" >&2
    exit 1
fi

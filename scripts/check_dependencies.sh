#!/usr/bin/env bash
# Checks what is linked, as deny.toml says: licences, sources, versions, and, where their database can be fetched, advisories. It is not
# where crates come from, and a machine that cannot reach it says so and goes on. cargo-deny is built into target/ once.
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

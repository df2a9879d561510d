#!/usr/bin/env bash
# Checks what is linked, as deny.toml says. cargo-deny is built into target/ once. Advisories are not among it: their database is not
# where crates come from. Where it can be fetched, `cargo deny check advisories` asks it.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=0.20.2
tools="${CARGO_TARGET_DIR:-target}/cargo-tools"
if ! "$tools/bin/cargo-deny" --version 2>/dev/null | grep -qx "cargo-deny $wanted"; then
    cargo install cargo-deny --version "$wanted" --locked --quiet --root "$tools"
fi
"$tools/bin/cargo-deny" check bans licenses sources

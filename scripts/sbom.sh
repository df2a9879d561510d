#!/usr/bin/env bash
# Writes an SBOM (software bill of materials) in the CycloneDX format to target/sbom.json: every linked crate with its version,
# licence and source, and no crate that only tests use. The script builds cargo-sbom into target/ once; after that it needs no
# network.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=0.10.0
target="${CARGO_TARGET_DIR:-target}"
tools="$target/cargo-tools"
if ! "$tools/bin/cargo-sbom" sbom --version 2>/dev/null | grep -qw "$wanted"; then
    cargo install cargo-sbom --version "$wanted" --locked --quiet --root "$tools"
fi
"$tools/bin/cargo-sbom" sbom --output-format cyclone_dx_json_1_6 >"$target/sbom.json"

# Each linked crate must be in the SBOM: an SBOM that leaves some out is worse than none.
cargo tree --locked --workspace --exclude tests --edges normal --prefix none --format '{p}' >"$target/linked.txt"
python3 - "$target" <<'PYTHON'
import json, sys

components = {(part["name"], part["version"]) for part in json.load(open(f"{sys.argv[1]}/sbom.json"))["components"]}
lines = (line.split() for line in open(f"{sys.argv[1]}/linked.txt"))
linked = {(words[0], words[1].lstrip("v")) for words in lines if words}
missing = sorted(linked - components)
if missing:
    sys.exit(f"{len(missing)} of {len(linked)} linked crates are missing from the SBOM: {missing[:10]}")
print(f"{sys.argv[1]}/sbom.json: {len(components)} components, among them all {len(linked)} linked crates")
PYTHON

#!/usr/bin/env bash
# Runs the sample tape and queries its results with DuckDB as users do: dollars to pay, averages weighted by balance, standard
# fields, the columns of the tape that are only kept. Each answer must agree with the summary, the purchase tape or the tape
# itself, and every column must have a type that can be read and multiplied. The script installs DuckDB from PyPI into target/
# once, and writes the results to a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' TERM INT

tools=$(scripts/python_tools.sh parquet)

# Build the command as the tests do, for the whole workspace, to reuse what `cargo test --workspace` has built.
cargo test --quiet --workspace --test tests --no-run
# Add a loan with an amount of nine digits, because products must have room for it. Add standard fields that the sample lacks:
# every other loan is in another state.
tape=$folder/tape.csv
{
    awk -v OFS=, 'NR == 4 { print $0, "State", "Maturity Date", "Term"; next }
        NR < 4 || /^[[:space:]]*$/ { print; next }
        NR % 2 { print $0, "CA", "12/1/2056", "360"; next }
        { print $0, "texas", "2041-12-01", "180.0" }' local/sample/tape.csv
    echo '0004999999,"$123,456,789.01",6.500%,76.41,31.55,683,SFR,Investor,P,"$161,000,000.00","$163,000,000.00",Cook,CA,12/1/2056,360'
} >"$tape"
cat >"$folder/rules.toml" <<'TOML'
[projection]
minimum_price = 95
TOML
"${CARGO_TARGET_DIR:-target}/debug/loan-engine-under-test" run "$tape" --rule-set "$folder/rules.toml" --out "$folder/out" --format json \
    >"$folder/answer.json"
timeout --kill-after=30 300 "$tools/bin/python" scripts/check_parquet.py "$tape" "$folder/answer.json" "$folder/out"

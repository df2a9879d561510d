#!/usr/bin/env bash
# Lets a fuzzer look for input that breaks what tests/hostile says of any input: every target, or those that are named, so many
# seconds each.
#
#     scripts/fuzz.sh [SECONDS [TARGET...]]
#
# It needs a nightly toolchain (`rustup toolchain install nightly`). cargo-fuzz is built into target/ once. What breaks something is
# kept in fuzz/artifacts/, and the script fails: put the input into fuzz/corpus/, where the tests take it up, and mend the cause.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds="${1:-60}"
targets=("${@:2}")
if [ ${#targets[@]} -eq 0 ]; then
    targets=(header paths token tape_csv tape_xlsx requests)
fi

if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "a nightly toolchain is missing, which the fuzzer needs: rustup toolchain install nightly" >&2
    exit 1
fi
wanted=0.13.2
tools="$(realpath -m "${CARGO_TARGET_DIR:-target}/cargo-tools")"
if ! "$tools/bin/cargo-fuzz" --version 2>/dev/null | grep -qx "cargo-fuzz $wanted"; then
    cargo install cargo-fuzz --version "$wanted" --locked --quiet --root "$tools"
fi
export PATH="$tools/bin:$PATH"

# Leaks are not looked for: what a thread is handed while it is being started looks like one.
#
# What the fuzzer finds interesting is kept outside the repository; the corpus in it is only read.
found="$(realpath -m "${CARGO_TARGET_DIR:-target}/fuzz-corpus")"
for target in "${targets[@]}"; do
    mkdir -p "$found/$target"
    echo "== $target, $seconds seconds"
    cargo +nightly fuzz run "$target" "$found/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -dict="fuzz/dictionaries/$target.dict" -max_len=8192 -timeout=20 -rss_limit_mb=2048 \
        -malloc_limit_mb=1024 -print_final_stats=1 -detect_leaks=0
done

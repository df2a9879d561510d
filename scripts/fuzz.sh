#!/usr/bin/env bash
# Lets a fuzzer look for input that fails the checks of tests/hostile: for every target, or those that are named, SECONDS each.
#
#     scripts/fuzz.sh [SECONDS [TARGET...]]
#
# The script needs a nightly toolchain (`rustup toolchain install nightly`), and builds cargo-fuzz into target/ once. When an
# input fails a check, the script keeps it in fuzz/artifacts/ and fails: put the input into fuzz/corpus/, where the tests use it,
# and fix the cause.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds="${1:-60}"
targets=("${@:2}")
if [ ${#targets[@]} -eq 0 ]; then
    targets=(header paths token rule_set tape_csv tape_xlsx requests waivers)
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

# Leak detection is off: memory that a thread gets while it starts looks like a leak.
#
# The fuzzer keeps inputs that it finds interesting outside the repository, and only reads the corpus in it.
found="$(realpath -m "${CARGO_TARGET_DIR:-target}/fuzz-corpus")"
for target in "${targets[@]}"; do
    mkdir -p "$found/$target"
    echo "== $target, $seconds seconds"
    cargo +nightly fuzz run "$target" "$found/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -dict="fuzz/dictionaries/$target.dict" -max_len=8192 -timeout=20 -rss_limit_mb=2048 \
        -malloc_limit_mb=1024 -print_final_stats=1 -detect_leaks=0
done

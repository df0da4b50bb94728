#!/usr/bin/env bash
# Runs every fuzz target. Usage: fuzz/run.sh SECONDS [TARGET...]
#
# libFuzzer comes with the crate libfuzzer-sys and is built with a C++ compiler; its coverage comes from a pass of LLVM that
# stable Rust can run, so neither a nightly toolchain nor cargo-fuzz is needed (`cargo fuzz run -s none` uses the same folder).
# No sanitizer is linked: the text engine has no unsafe code. What fails is a panic that comes out, an input that takes more
# than a second, and more than 1 GiB of memory. Inputs that were found stay in target/fuzz/corpus for the next run; one that
# fails is kept in target/fuzz/artifacts and named.
set -euo pipefail
seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET...]}
shift
cd "$(dirname "$0")"
out=$(cd .. && pwd)/target/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')

if ! command -v c++ >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends g++; } >/dev/null
    else
        echo "libFuzzer needs a C++ compiler (c++)" >&2
        exit 1
    fi
fi

flags="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares"
# With --target, the flags are not those of build scripts.
RUSTFLAGS=$(echo $flags) CARGO_TARGET_DIR=$out cargo build --quiet --release --target "$host"
built=$out/$host/release
"$built/seeds" "$out/seeds"

targets=("$@")
if [ ${#targets[@]} = 0 ]; then
    targets=(json_lines json table packed parquet arrow detect replace)
fi
failed=()
for target in "${targets[@]}"; do
    corpus=$out/corpus/$target artifacts=$out/artifacts/$target
    mkdir -p "$corpus" "$artifacts"
    started=$(date +%s)
    if "$built/$target" "$corpus" "$out/seeds/$target" -max_total_time="$seconds" -timeout=1 -rss_limit_mb=1024 \
        -max_len=8192 -artifact_prefix="$artifacts/" -verbosity=0 -print_final_stats=1 >"$out/$target.log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$target.log")
        echo "$target: $runs inputs in $(($(date +%s) - started)) s, none fails"
    elif slow=$(sed -n 's/^artifact_prefix=.*Test unit written to \(.*timeout-.*\)$/\1/p' "$out/$target.log" | tail -n 1) &&
        [ -n "$slow" ] && "$built/$target" "$slow" -timeout=1 >>"$out/$target.log" 2>&1; then
        # A second of the clock, on a machine that did something else: alone, the input is fast.
        echo "$target: one input was slow once and is not"
        rm "$slow"
    else
        failed+=("$target")
        tail -n 25 "$out/$target.log"
        echo "$target: FAILED, see $artifacts and target/fuzz/$target.log"
    fi
done
[ ${#failed[@]} = 0 ]

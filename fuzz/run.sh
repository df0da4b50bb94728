#!/usr/bin/env bash
# Runs the fuzz targets, as many at a time as there are processors. Usage: fuzz/run.sh SECONDS [TARGET|ENGINE...]
# An engine, `text` or `vault`, stands for all of its targets.
#
# libFuzzer comes with the crate libfuzzer-sys and is built with a C++ compiler; its coverage comes from a pass of LLVM that
# stable Rust can run, so neither a nightly toolchain nor cargo-fuzz is needed (`cargo fuzz run -s none` uses the same folder).
# No sanitizer is linked: neither engine has unsafe code. What fails is a panic that comes out, an input of 8 kB that
# takes more than five seconds (of the clock: the machine may be busy), and more than 1 GiB of memory. Inputs that were
# found stay in target/fuzz/corpus for the next run; one that fails is kept in target/fuzz/artifacts and named.
set -euo pipefail
seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET...]}
shift
cd "$(dirname "$0")"
out=${CLOISTER_FUZZ_OUT:-$(cd .. && pwd)/target/fuzz}
host=$(rustc -vV | sed -n 's/^host: //p')

if ! command -v c++ >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends g++; } >/dev/null
    else
        echo "libFuzzer needs a C++ compiler (c++)" >&2
        exit 1
    fi
fi

flags=(--cfg fuzzing -Cpasses=sancov-module)
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=("-Cllvm-args=-sanitizer-coverage-$option")
done
# A short run is over before fast code has made up for the time that it takes to optimise.
quickly=()
if [ "$seconds" -lt 120 ]; then
    for package in parquet arrow-array arrow-cmp arrow-data arrow-ipc arrow-select; do
        quickly+=(--config "profile.release.package.$package.opt-level=0")
    done
fi
# With --target, the flags are not those of build scripts.
RUSTFLAGS="${flags[*]}" CARGO_TARGET_DIR=$out cargo build --locked --quiet --release --target "$host" "${quickly[@]}"
built=$out/$host/release

# fuzz TARGET: says in one line how it went.
fuzz() {
    local target=$1 corpus=$out/corpus/$1 artifacts=$out/artifacts/$1 log=$out/$1.log
    local started runs slow
    mkdir -p "$corpus" "$artifacts"
    started=$(date +%s)
    if "$built/$target" "$corpus" "seeds/$target" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 \
        -max_len=8192 -artifact_prefix="$artifacts/" -verbosity=0 -print_final_stats=1 >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "$target: $runs inputs in $(($(date +%s) - started)) s, none fails"
        return
    fi
    slow=$(sed -n 's/.*Test unit written to \(.*timeout-[0-9a-f]*\)$/\1/p' "$log" | tail -n 1)
    if [ -n "$slow" ] && "$built/$target" "$slow" -timeout=5 >>"$log" 2>&1; then
        # Seconds of the clock, on a machine that did something else: alone, the input is fast.
        echo "$target: one input was slow once and is not"
        rm "$slow"
        return
    fi
    tail -n 25 "$log"
    echo "$target: FAILED, see $artifacts and $log"
    return 1
}

[ $# -gt 0 ] || set -- text vault
targets=()
for word; do
    case $word in
        text) targets+=(json_lines json table packed parquet arrow detect replace) ;;
        vault)
            targets+=(note checkpoint tile_path entry_bundle log_entry tlog_proof tlog_policy)
            targets+=(sealed_header shard_index key_ring)
            ;;
        *) targets+=("$word") ;;
    esac
done
failed=0
for target in "${targets[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$(getconf _NPROCESSORS_ONLN)" ]; do wait -n || failed=1; done
    fuzz "$target" &
done
while [ "$(jobs -p | wc -l)" -gt 0 ]; do wait -n || failed=1; done
exit "$failed"

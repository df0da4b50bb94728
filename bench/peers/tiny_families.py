"""Writes one tiny random model of each decoder family in a Hugging Face folder, and what it answers:

fixtures/tiny_<family>/                      float32, one safetensors file, 72 tokens, one per character
fixtures/tiny_<family>_answers.safetensors   logits, and LoRA gradients per example

Every model has what sets its family apart: scaled rotary frequencies, layers without rotation, sliding windows
shorter than the sequences, biases, norms of heads, norms after each half of a block. An answers file holds

tokens.N, logits.N     token ids, and float32 logits [tokens, 72] of the base without adapter
targets.N              1 where the token is predicted, from the position before it (the examples only)
adapter                LoRA factors of rank 2, alpha 4 on all seven targets, in one vector: by layer, then
                       q k v o gate up down, then A before B, each row-major
gradients              [examples, factors]: per example, of (sum of cross-entropy over target tokens) /
                       (number of target tokens), in the order of `adapter`
losses                 the quantity that was differentiated
"""

import shutil

import common
import numpy
from peft_adapter import TARGETS, factors
from tiny_llama import TEMPLATE

RANK, ALPHA = 2, 4
LENGTHS = (1, 12, 75)
EXAMPLES = (1, 2)  # of LENGTHS
SPECIALS = ["<unk>", "<|im_start|>", "<|im_end|>"]
CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW0123456789 .,:?'\n<|>"
VOCAB = len(SPECIALS) + len(CHARACTERS)
ORDER = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
COMMON = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-5,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
PLAIN = {"rope_type": "default", "rope_theta": 10000.0}
# With heads of 8 values the four wavelengths are about 6, 63, 628 and 6283 tokens: one is kept, one is
# interpolated, two are stretched by the whole factor.
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
FAMILIES = {
    "llama3": ("Llama", {"rope_parameters": LLAMA3, "tie_word_embeddings": False}),
    # The fourth layer does not rotate (no_rope_layer_interval is 4).
    "smollm3": ("SmolLM3", {"num_hidden_layers": 4, "rope_parameters": PLAIN}),
    "mistral": ("Mistral", {"sliding_window": 7, "rope_parameters": PLAIN}),
    # The last layer has a window.
    "qwen2": (
        "Qwen2",
        {
            "use_sliding_window": True,
            "sliding_window": 6,
            "max_window_layers": 2,
            "rope_parameters": PLAIN,
            "tie_word_embeddings": True,
        },
    ),
    "qwen3": ("Qwen3", {"head_dim": 12, "rope_parameters": PLAIN}),
    # Layers 0, 1 and 3 are local, layer 2 is global.
    "gemma3": (
        "Gemma3",
        {
            "num_hidden_layers": 4,
            "head_dim": 12,
            "query_pre_attn_scalar": 20,
            "sliding_window": 6,
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
            "rope_parameters": {
                "sliding_attention": PLAIN,
                "full_attention": {"rope_type": "linear", "rope_theta": 50000.0, "factor": 4.0},
            },
        },
    ),
}


def main():
    for seed, (family, (kind, shape)) in enumerate(FAMILIES.items(), start=31):
        name = f"tiny_{family}"
        make_model(name, kind, seed, shape)
        answer(name, seed)


def make_model(name, kind, seed, shape):
    """Saves a model whose weights are normal with deviation 0.2; gains lie around what leaves a norm as it is."""
    import torch
    import transformers

    folder = common.FIXTURES / name
    shutil.rmtree(folder, ignore_errors=True)
    torch.set_num_threads(1)
    text = "Text" if kind == "Gemma3" else ""
    config = getattr(transformers, f"{kind}{text}Config")(**COMMON | shape)
    model = getattr(transformers, f"{kind}ForCausalLM")(config)
    rng = numpy.random.RandomState(seed)
    with torch.no_grad():
        for key, parameter in sorted(model.named_parameters()):
            values = rng.standard_normal(tuple(parameter.shape))
            neutral = 0.0 if kind == "Gemma3" else 1.0
            values = neutral + 0.1 * values if key.endswith("norm.weight") else 0.2 * values
            parameter.copy_(torch.from_numpy(values.astype("f4")))
    model.save_pretrained(str(folder))
    make_tokenizer().save_pretrained(str(folder))
    common.readable(folder)


def make_tokenizer():
    """One token per character, so that it takes little room."""
    from tokenizers import AddedToken, Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: index for index, token in enumerate(SPECIALS + list(CHARACTERS))}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token=SPECIALS[0]))
    inner.decoder = decoders.Fuse()
    inner.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIALS])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token=SPECIALS[0],
        bos_token=SPECIALS[1],
        eos_token=SPECIALS[2],
        pad_token=SPECIALS[2],
        model_max_length=128,
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def answer(name, seed):
    import safetensors.numpy

    model = common.load_model(common.FIXTURES / name)
    rng = numpy.random.RandomState(11)
    sequences = [rng.randint(0, VOCAB, size=length) for length in LENGTHS]
    parts = {}
    for index, tokens in enumerate(sequences):
        parts[f"tokens.{index}"] = tokens.astype("i4")
        parts[f"logits.{index}"] = common.logits_of(model, tokens.tolist())
    model = adapted(model, seed)
    parts["adapter"] = flat(model, lambda parameter: parameter)
    rows, losses = [], []
    for index in EXAMPLES:
        tokens = sequences[index]
        mask = numpy.arange(len(tokens)) % 3 > 0
        parts[f"targets.{index}"] = mask.astype("u1")
        losses.append(backward(model, tokens, mask))
        rows.append(flat(model, lambda parameter: parameter.grad))
    parts["gradients"] = numpy.stack(rows)
    parts["losses"] = numpy.array(losses, dtype="f4")
    path = common.FIXTURES / f"{name}_answers.safetensors"
    head = common.head(dtype="float32", attention="eager", rank=RANK, alpha=ALPHA)
    safetensors.numpy.save_file(parts, str(path), metadata={"head": common.dump(head)})
    path.chmod(0o644)


def adapted(model, seed):
    """`model` with a LoRA adapter on all seven targets, A and B filled from a seed."""
    import peft
    import torch

    config = peft.LoraConfig(
        task_type="CAUSAL_LM", r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, bias="none", target_modules=TARGETS
    )
    model = peft.get_peft_model(model, config).eval()
    rng = numpy.random.RandomState(seed)
    for _, parameter in factors(model):
        values = (rng.standard_normal(tuple(parameter.shape)) * 0.2).astype("f4")
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(values))
    return model


def flat(model, pick):
    """One vector of what `pick` takes of every factor, in the order that the head of this file states."""

    def place(item):
        parts = item[0].split(".")
        return int(parts[parts.index("layers") + 1]), ORDER.index(parts[-3]), parts[-2]

    ordered = sorted(factors(model), key=place)
    return numpy.concatenate([pick(parameter).detach().numpy().reshape(-1) for _, parameter in ordered])


def backward(model, tokens, mask):
    import torch

    model.zero_grad(set_to_none=True)
    tokens = torch.tensor(tokens, dtype=torch.int64)
    logits = model(input_ids=tokens[None]).logits[0]
    losses = torch.nn.functional.cross_entropy(logits[:-1], tokens[1:], reduction="none")
    loss = losses[torch.tensor(mask[1:])].mean()
    loss.backward()
    return float(loss.detach())


if __name__ == "__main__":
    main()

"""Writes two tiny random Llama models in Hugging Face folders, and what they answer:

fixtures/tiny_llama/               tied embeddings, float32, one safetensors file
fixtures/tiny_llama_untied/        untied, head_dim 16 (not hidden / heads), bfloat16, two shards,
                                   more rows in the embedding than the tokenizer has tokens
fixtures/tiny_llama_answers.json   logits; loss and LoRA gradients per example; tokenizer answers

The gradient is that of (sum of cross-entropy over target tokens) / (number of target tokens) of
one example, with respect to the LoRA factors of peft_adapter.py.
"""

import shutil

import common
import numpy
from peft_adapter import adapted, factors, rounded

VOCAB = 304
SAMPLES = 8
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CORPUS = [
    "The patient was seen on Monday and the letter was sent to the clinic.",
    "A customer asked for the status of the order and the agent answered the question.",
    "The river ran past the mill, and the miller and the miller's daughter watched it.",
    "There is nothing in the ledger that the auditor has not seen before.",
]
TEXTS = [
    "the patient and the agent", " the  the", "Order 1234, 5678", "naïve 日本 😀", "<|im_start|>user\nhi<|im_end|>",
    "", "\r\n\t x   7", "Anders'sche the'll", "ththth", "<|im_end|><|endoftext|>a",
]  # fmt: skip
MESSAGES = [{"role": "system", "content": "the rules"}, {"role": "user", "content": " order 12 "}]
COMMON = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}


def main():
    tokenizer = make_tokenizer()
    make_model("tiny_llama", tokenizer, 21, "float32", None, vocab_size=VOCAB, tie_word_embeddings=True)
    untied = {"vocab_size": 320, "tie_word_embeddings": False, "head_dim": 16}
    make_model("tiny_llama_untied", tokenizer, 22, "bfloat16", "60KB", **untied)

    logits, gradients = [], []
    for name in ("tiny_llama", "tiny_llama_untied"):
        model = common.load_model(common.FIXTURES / name)
        for tokens in sequences():
            logits.append({"model": name, "tokens": tokens, "logits": rounded(common.logits_of(model, tokens))})
        gradients.append({"model": name} | gradients_of(adapted(model, name)))
    texts = [{"text": text, "ids": tokenizer(text, add_special_tokens=False)["input_ids"]} for text in TEXTS]
    chat = tokenizer.apply_chat_template(MESSAGES, tokenize=False, add_generation_prompt=True)
    head = common.head(dtype="float32", attention="eager", sample_indices="row-major")
    parts = {"head": head, "logits": logits, "gradients": gradients, "tokenizer": texts}
    parts["chat"] = {"messages": MESSAGES, "text_with_generation_prompt": chat}
    common.write_json(common.FIXTURES / "tiny_llama_answers.json", parts)


def sequences():
    """The four token sequences of all tiny fixtures."""
    rng = numpy.random.RandomState(11)
    return [rng.randint(0, VOCAB, size=length).tolist() for length in (1, 6, 11, 16)]


def examples():
    """Token sequences with target masks; position 0 is never a target."""
    _, short, middle, long = sequences()
    return [
        (short, [position > 0 for position in range(len(short))]),
        (middle, [position >= 7 for position in range(len(middle))]),
        (long, [position % 3 == 1 for position in range(len(long))]),
    ]


def make_tokenizer():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=SPECIALS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(CORPUS, trainer)
    assert inner.get_vocab_size() == VOCAB
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        unk_token="<|endoftext|>",
        pad_token="<|im_end|>",
        model_max_length=128,
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_model(name, tokenizer, seed, dtype, shard_size, **shape):
    """Saves a model whose weights are normal with deviation 0.2 (norms: 0.1 around 1)."""
    import torch
    import transformers

    folder = common.FIXTURES / name
    shutil.rmtree(folder, ignore_errors=True)
    torch.set_num_threads(1)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**COMMON, **shape))
    rng = numpy.random.RandomState(seed)
    with torch.no_grad():
        for key, parameter in sorted(model.named_parameters()):
            values = rng.standard_normal(tuple(parameter.shape))
            values = 1.0 + 0.1 * values if key.endswith("norm.weight") else 0.2 * values
            parameter.copy_(torch.from_numpy(values.astype("f4")))
    model = model.to(getattr(torch, dtype))
    options = {"max_shard_size": shard_size} if shard_size else {}
    model.save_pretrained(str(folder), **options)
    tokenizer.save_pretrained(str(folder))
    common.readable(folder)


def gradients_of(model):
    """Losses of the examples, and per LoRA factor the norm and some entries of each gradient."""
    import torch

    tensors = [
        {"name": name, "shape": list(parameter.shape), "indices": sample_indices(parameter.numel()), "examples": []}
        for name, parameter in factors(model)
    ]
    rows = []
    for tokens, is_target in examples():
        model.zero_grad(set_to_none=True)
        logits = model(input_ids=torch.tensor([tokens])).logits[0]
        mask = torch.tensor(is_target[1:])
        losses = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(tokens[1:]), reduction="none")
        loss = losses[mask].sum() / mask.sum()
        loss.backward()
        squares = 0.0
        for tensor, (_, parameter) in zip(tensors, factors(model), strict=True):
            gradient = parameter.grad.double().reshape(-1)
            norm = float(gradient.norm())
            squares += norm * norm
            entries = [common.significant(gradient[index]) for index in tensor["indices"]]
            tensor["examples"].append({"norm": common.significant(norm), "entries": entries})
        rows.append(
            {
                "tokens": tokens,
                "is_target": is_target,
                "loss": common.significant(loss.detach()),
                "gradient_norm": common.significant(squares**0.5),
            }
        )
    return {"examples": rows, "tensors": tensors}


def sample_indices(count):
    return sorted({(13 + 7919 * k) % count for k in range(SAMPLES)})


if __name__ == "__main__":
    main()

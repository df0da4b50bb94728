"""Writes LoRA adapters that PEFT itself saved, and what the adapted models answer:

fixtures/tiny_adapter/, fixtures/tiny_adapter_untied/   for the two models of tiny_llama.py
fixtures/tiny_adapter_answers.json                      logits of base and of base + adapter

With --check ADAPTER_DIR --base PATH [--logits FILE.jsonl] it loads an adapter of another program
in PEFT and fails (exit 1) on any warning, on a key that PEFT did not take, on a target without a
trained B, and on logits equal to the base's; FILE holds that program's logits of base + adapter,
in the format of logits.py, without "prompt_index". PATH is a GGUF file or a Hugging Face folder.
"""

import argparse
import logging
import pathlib
import shutil
import sys
import warnings

import common
import numpy

RANK, ALPHA, SEED = 4, 8, 7
TARGETS = ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]
MODELS = {"tiny_llama": "tiny_adapter", "tiny_llama_untied": "tiny_adapter_untied"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.add_base_argument(parser)
    parser.add_argument("--check", type=pathlib.Path, metavar="ADAPTER_DIR", help="an adapter folder to verify")
    parser.add_argument("--logits", type=pathlib.Path, metavar="FILE.jsonl", help="with --check: logits to compare")
    parser.add_argument("--tolerance", type=float, default=2e-3, help="with --logits: fail above this (default 2e-3)")
    arguments = parser.parse_args()
    if arguments.check:
        base = arguments.base
        if base is None or not (base.is_dir() and (base / "config.json").is_file()):
            base = common.find_base(base)
        sys.exit(check(arguments.check, base, arguments.logits, arguments.tolerance))
    write()


def adapted(model, name):
    """`model` with a LoRA adapter on all seven targets, A and B filled from a fixed seed."""
    import peft
    import torch

    config = peft.LoraConfig(
        task_type="CAUSAL_LM", r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, bias="none", target_modules=TARGETS
    )
    model = peft.get_peft_model(model, config).eval()
    config = model.peft_config["default"]
    config.base_model_name_or_path = name
    config.target_modules = TARGETS  # PEFT makes it a set, which it would save in any order
    rng = numpy.random.RandomState(SEED)
    for _, parameter in factors(model):
        values = (rng.standard_normal(tuple(parameter.shape)) * 0.1).astype("f4")
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(values))
    return model


def factors(model):
    """LoRA factors as (key in the file that PEFT saves, parameter), sorted by key."""
    found = {name.replace(".default.weight", ".weight"): p for name, p in model.named_parameters() if ".lora_" in name}
    return sorted(found.items())


def write():
    from tiny_llama import sequences

    answers = []
    for name, folder in MODELS.items():
        model = common.load_model(common.FIXTURES / name)
        before = [common.logits_of(model, tokens) for tokens in sequences()]
        model = adapted(model, name)
        target = common.FIXTURES / folder
        shutil.rmtree(target, ignore_errors=True)
        model.save_pretrained(str(target), save_embedding_layers=False)
        (target / "README.md").unlink()  # PEFT's empty model card
        common.readable(target)
        for tokens, base in zip(sequences(), before, strict=True):
            row = {"model": name, "adapter": folder, "tokens": tokens}
            row["base_logits"] = rounded(base)
            row["logits"] = rounded(common.logits_of(model, tokens))
            answers.append(row)
    head = common.head(dtype="float32", attention="eager", rank=RANK, alpha=ALPHA, seed=SEED)
    common.write_json(common.FIXTURES / "tiny_adapter_answers.json", {"head": head, "sequences": answers})


def rounded(logits):
    return [[common.significant(value) for value in row] for row in logits]


def check(folder, base, dump, tolerance):
    """0 if PEFT loads the adapter whole and it does what the dump says, else 1."""
    import peft
    import safetensors.torch

    model = common.load_model(base)
    rows = list(common.read_dump(dump)) if dump else [({"tokens": [1, 5, 9, 42, 7]}, None)]
    if not rows:
        sys.exit("the dump is empty")
    before = [common.logits_of(model, row["tokens"]) for row, _ in rows]

    messages = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: messages.append(record.getMessage())
    for name in (None, "transformers"):  # transformers' logger does not pass records on to the root
        logging.getLogger(name).addHandler(handler)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = peft.PeftModel.from_pretrained(model, str(folder)).eval()
    # Not DeprecationWarning and FutureWarning: they are about PEFT's own use of its dependencies.
    kinds = (UserWarning, RuntimeWarning)
    messages += [f"{item.category.__name__}: {item.message}" for item in caught if issubclass(item.category, kinds)]

    problems = [f"warning: {message}" for message in messages]
    stored = safetensors.torch.load_file(folder / "adapter_model.safetensors")
    stored = {key: value.float().numpy() for key, value in stored.items()}
    loaded = {key: value.detach().numpy() for key, value in factors(model)}
    problems += [f"missing from the file: {key}" for key in sorted(loaded.keys() - stored.keys())]
    problems += [f"not taken by PEFT: {key}" for key in sorted(stored.keys() - loaded.keys())]
    for key in sorted(stored.keys() & loaded.keys()):
        if not numpy.array_equal(stored[key], loaded[key]):
            problems.append(f"not the stored values: {key}")
        if ".lora_B." in key and not stored[key].any():
            problems.append(f"all zero: {key}")

    config = model.peft_config["default"]
    report = {"rank": config.r, "alpha": config.lora_alpha, "targets": sorted(config.target_modules)}
    report["factors"] = len(loaded)
    moved, worst, agree, positions = 0.0, 0.0, 0, 0
    peers = [common.logits_of(model, row["tokens"]) for row, _ in rows]
    for (row, ours), logits, base_logits in zip(rows, peers, before, strict=True):
        moved = max(moved, float(numpy.abs(logits - base_logits).max()))
        if ours is not None:
            result = common.compare(ours, logits)
            worst = max(worst, result["max_abs_difference"])
            agree += result["argmax_agree"]
            positions += result["positions"]
    report["max_abs_difference_from_base"] = moved
    if moved == 0.0:
        problems.append("the logits are the base's: the adapter does nothing")
    if dump:
        report |= {"max_abs_difference": worst, "argmax_agree": agree, "positions": positions}
        if not worst <= tolerance:
            problems.append(f"the logits differ by more than {tolerance}")
        # Some inputs are ill-conditioned: both sides then lie this far from the same model in float64.
        model = model.double()
        exact = [common.logits_of(model, row["tokens"]) for row, _ in rows]
        for name, sides in [("ours", [ours for _, ours in rows]), ("peer", peers)]:
            apart = [float(numpy.abs(side - best).max()) for side, best in zip(sides, exact, strict=True)]
            report[f"{name}_from_float64"] = {"largest": max(apart), "median": float(numpy.median(apart))}
    report["problems"] = problems
    print(common.dump(report))
    return 1 if problems else 0


if __name__ == "__main__":
    main()

"""One recipe, three trainers: ours with the base in f32 and in bf16, and PyTorch with PEFT and Opacus.

    evaluation_loss.py --cloister PATH [--base GGUF] [--runs 3] [--only f32,bf16,opacus] [--peer-precision bf16]

Ours is the demo: `cloister run` on the example records at epsilon 8, every default kept but the precision of the base. The
peer takes its plan and its recipe from the evidence of our first run, and its records from `cloister protect`; sampling
(Poisson), clipping, noise and Adam are Opacus's, tokens, template and mask are transformers'. Each side's loss is on
the public evaluation records, in nats per answer token.

Runs are added to ../results/evaluation_loss.json one by one, so that a stopped campaign goes on where it was; delete the file
to begin anew. The table is ../results/evaluation_loss.md. Adapters of ours stay in --keep, if it is given.
"""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import common

ROOT = common.HERE.parent.parent
RECORDS, PUBLIC = ROOT / "examples" / "tickets.jsonl", ROOT / "examples" / "evaluation.jsonl"
RESULTS = common.HERE.parent / "results"
SIDES = ("f32", "bf16", "opacus")
EPSILON = 8
RECIPE = ("targets", "rank", "alpha", "learning_rate", "schedule", "warmup_steps")
PASS_TOKENS = 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.add_base_argument(parser)
    parser.add_argument("--cloister", type=pathlib.Path, required=True, help="the release binary")
    parser.add_argument("--runs", type=int, default=3, help="runs of each side in the end")
    parser.add_argument("--only", default=",".join(SIDES), help="sides to run now")
    parser.add_argument("--peer-precision", choices=("f32", "bf16"), default="bf16", help="the peer's frozen base")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for our adapters")
    arguments = parser.parse_args()
    base = common.find_base(arguments.base)
    path = RESULTS / "evaluation_loss.json"
    runs = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {side: [] for side in SIDES}
    for number in range(arguments.runs):
        for side in arguments.only.split(","):
            if len(runs[side]) > number:
                continue
            runs[side].append(peer(arguments, base, runs) if side == "opacus" else ours(arguments, base, side))
            path.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")
            print(f"{side}: {runs[side][-1]['tuned_nats_per_token']:.4f} nats per token", file=sys.stderr)
    text = table(runs)
    (RESULTS / "evaluation_loss.md").write_text(text, encoding="utf-8")
    print(text)


def ours(arguments, base, precision):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        if arguments.keep:
            out = arguments.keep / f"{precision}-{int(time.time())}"
        command = [arguments.cloister, "run", RECORDS, "--base", base, "--epsilon", str(EPSILON), "--quiet"]
        command += ["--keep", "Harbour Line"]
        command += ["--evaluation", PUBLIC, "--out", out, "--base-precision", precision]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        evidence = json.loads((out / "evidence.json").read_text(encoding="utf-8"))
    facts = {name: evidence["utility"][name] for name in ("base_nats_per_token", "tuned_nats_per_token", "tokens")}
    plan = {name: evidence["privacy"][name] for name in ("q", "steps", "sigma", "clip_norm", "denominator", "units")}
    recipe = {name: evidence["training"][name] for name in RECIPE}
    return facts | {"plan": plan | recipe}


def peer(arguments, base, runs):
    """One run of PyTorch, PEFT and Opacus with the plan of our first run."""
    import warnings

    warnings.filterwarnings("ignore")
    import torch
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer
    from opacus.utils.uniform_sampler import UniformWithReplacementSampler
    from peft import LoraConfig, get_peft_model

    first = next((run for side in ("f32", "bf16") for run in runs[side]), None)
    if first is None:
        sys.exit("the peer needs the plan of a run of ours: run that first")
    plan = first["plan"]
    encode = encoder(base)
    with tempfile.TemporaryDirectory() as folder:
        protected = pathlib.Path(folder) / "protected.jsonl"
        command = [arguments.cloister, "protect", RECORDS, "--out", protected, "--keep", "Harbour Line", "--quiet"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        private = [encode(record) for record in records(protected)]
    public = [encode(record) for record in records(PUBLIC)]
    assert len(private) == plan["units"]

    model = common.load_model(base)
    torch.set_num_threads(2)
    torch.seed()
    if arguments.peer_precision == "bf16":
        model = model.to(torch.bfloat16)
    model.config.use_cache = False
    lora = LoraConfig(r=plan["rank"], lora_alpha=plan["alpha"], lora_dropout=0.0, target_modules=plan["targets"])
    model = get_peft_model(model, lora)
    before, tokens = evaluate(model, public)
    assert tokens == first["tokens"], "the peer counts other targets"
    model = GradSampleModule(model.train())
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = DPOptimizer(
        torch.optim.Adam(trained, lr=plan["learning_rate"], betas=(0.9, 0.999), eps=1e-8),
        noise_multiplier=plan["sigma"],
        max_grad_norm=plan["clip_norm"],
        expected_batch_size=plan["denominator"],
    )
    sampler = UniformWithReplacementSampler(num_samples=len(private), sample_rate=plan["q"], steps=plan["steps"])
    for step, drawn in enumerate(sampler):
        for group in optimizer.param_groups:
            group["lr"] = plan["learning_rate"] * share(plan, step)
        passes = list(micro_batches([private[index] for index in drawn]))
        for number, examples in enumerate(passes, 1):
            optimizer.signal_skip_step(do_skip=number < len(passes))
            losses = per_example_loss(model, examples)
            (losses.sum() / len(examples)).backward()  # GradSampleModule undoes the mean
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    after, _ = evaluate(model.eval(), public)
    return {"base_nats_per_token": before, "tuned_nats_per_token": after, "tokens": tokens, "base": arguments.peer_precision}


def share(plan, step):
    """The part of the full rate in a step, counted from 0."""
    assert plan["warmup_steps"] == 0 and plan["schedule"] in ("constant", "linear"), "a schedule that the peer has not"
    return 1 - step / plan["steps"] if plan["schedule"] == "linear" else 1.0


def records(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def encoder(base):
    """Tokens of a record and which of them are answers: those from the end of the prompt to the end-of-turn token."""
    from tokenizer import with_digits

    chat = common.load_tokenizer(base)
    tokenizer, end = with_digits(chat), "<|im_end|>"

    def encode(record):
        messages = record["messages"]
        text = chat.apply_chat_template(messages, tokenize=False)
        encoded = tokenizer.encode(text, add_special_tokens=False)
        target = [False] * len(encoded.ids)
        for turn, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            start = len(chat.apply_chat_template(messages[:turn], tokenize=False, add_generation_prompt=True))
            stop = text.index(end, start) + len(end)
            for place, (low, high) in enumerate(encoded.offsets):
                target[place] |= low < stop and high > start
        return encoded.ids, target

    return encode


def micro_batches(examples):
    """Examples of like length together, at most PASS_TOKENS with padding."""
    current = []
    for example in sorted(examples, key=lambda example: -len(example[0])):
        if current and (len(current) + 1) * len(current[0][0]) > PASS_TOKENS:
            yield current
            current = []
        current.append(example)
    if current:
        yield current


def per_example_loss(model, examples):
    """Mean cross-entropy over the answer tokens of each example."""
    import torch

    losses, counts = target_losses(model, examples)
    return losses / torch.tensor(counts)


def target_losses(model, examples):
    """Sum of cross-entropy over the answer tokens of each example, and how many these are."""
    import torch

    longest = max(len(tokens) for tokens, _ in examples)
    ids = torch.tensor([tokens + [0] * (longest - len(tokens)) for tokens, _ in examples])
    labels = torch.tensor(
        [
            [token if wanted else -100 for token, wanted in zip(tokens, target, strict=True)] + [-100] * (longest - len(tokens))
            for tokens, target in examples
        ]
    )
    logits = model(input_ids=ids).logits[:, :-1].float()  # padding is on the right: a causal model does not see it
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100, reduction="none"
    )
    return losses.view(len(examples), -1).sum(1), [sum(target[1:]) for _, target in examples]


def evaluate(model, examples):
    import torch

    total, count = 0.0, 0
    with torch.no_grad():
        for batch in micro_batches(examples):
            losses, counts = target_losses(model, batch)
            total, count = total + float(losses.sum()), count + sum(counts)
    return total / count, count


def table(runs):
    lines = [
        "The demo's recipe at epsilon 8: loss on the evaluation records in nats per answer token.",
        "",
        "| trainer | before | after, each run | mean | standard error | from the mean of all |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    names = {"f32": "cloister, base in f32", "bf16": "cloister, base in bf16", "opacus": "PyTorch + Opacus"}
    means = {side: statistics.mean(run["tuned_nats_per_token"] for run in runs[side]) for side in SIDES if runs[side]}
    middle = statistics.mean(means.values())
    for side, mean in means.items():
        after = [run["tuned_nats_per_token"] for run in runs[side]]
        error = statistics.stdev(after) / math.sqrt(len(after)) if len(after) > 1 else math.nan
        name = names[side] + (f", base in {runs[side][0]['base']}" if side == "opacus" else "")
        lines.append(
            f"| {name} | {runs[side][0]['base_nats_per_token']:.3f} | {', '.join(f'{loss:.3f}' for loss in after)} "
            f"| {mean:.3f} | {error:.3f} | {100 * (mean / middle - 1):+.1f} % |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

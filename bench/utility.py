#!/usr/bin/env python3
"""What replacing costs in learning: one plan, and records in which personal data was replaced, or blotted out.

    utility.py --cloister PATH [--base NAME] [--runs 3] [--forms text,chat]
               [--profiles surrogate,redact] [--epsilon 8] [--base-precision bf16]

A tenth of the subjects of the example records is held out, in clear. `cloister run` trains on the others, once for each
profile and run, every other setting at its default, so that the plan is the same; who is drawn, the noise and the
surrogates are fresh each time. `cloister audit score` then gives the loss in nats per token on

- the clear records that were held out: what people really write, with their names, numbers and addresses;
- the public evaluation records, which are of the same kind and name nobody.

There are two forms. `text`: a record is one text, and every token of it is learned and counted. `chat`: answers alone are
learned and counted, as in the demo; few of their tokens are personal.

Runs are added to results/utility.json one by one, so that a stopped campaign goes on where it was; delete the file to
begin anew. The table is results/utility.md. Needs Python and nothing else.
"""

import argparse
import hashlib
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
SETS = {"clear": "clear records held out", "public": "public records without names"}
PLAN = ("q", "steps", "sigma", "clip_norm", "denominator", "units", "epsilon")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cloister", type=pathlib.Path, required=True, help="the release binary")
    parser.add_argument("--base", default="smollm2-135m-instruct-q4")
    parser.add_argument("--runs", type=int, default=3, help="runs of each profile in the end")
    parser.add_argument("--forms", default="text,chat")
    parser.add_argument("--profiles", default="surrogate,redact")
    parser.add_argument("--epsilon", type=float, default=8)
    parser.add_argument("--base-precision", default="bf16", help="of training; the losses are of the base in f32")
    arguments = parser.parse_args()
    profiles, forms = arguments.profiles.split(","), arguments.forms.split(",")

    path = RESULTS / "utility.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    train, clear = split(ROOT / "examples" / "tickets.jsonl")
    sets = {"clear": clear, "public": lines(ROOT / "examples" / "evaluation.jsonl")}
    for form in forms:
        of_form = results.setdefault(form, {})
        if "base" not in of_form:
            of_form["base"] = {name: loss(arguments, form, records, None) for name, records in sets.items()}
        for number in range(arguments.runs):
            for profile in profiles:
                runs = of_form.setdefault(profile, [])
                if len(runs) > number:
                    continue
                runs.append(run(arguments, form, profile, train, sets))
                assert runs[-1]["plan"] == of_form[profiles[0]][0]["plan"], "another plan"
                path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
                told = ", ".join(f"{name} {runs[-1][name]['nats_per_token']:.4f}" for name in SETS)
                print(f"{form}, {profile}, run {number + 1}: {told}", file=sys.stderr)
    text = "# Learning from records in which personal data was replaced\n\n"
    text += "`bench/utility.py`. Nats per token; the mean, and every run. Less is better.\n"
    text += "".join(table(form, results[form], profiles) for form in forms)
    (RESULTS / "utility.md").write_text(text, encoding="utf-8")
    print(text)


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def split(path):
    """The records of nine tenths of the subjects, and those of the others."""
    records = lines(path)
    held = [hashlib.sha256(record["subject"].encode()).digest()[0] < 26 for record in records]
    return [r for r, out in zip(records, held) if not out], [r for r, out in zip(records, held) if out]


def as_text(record):
    """A record as one text."""
    return {
        "id": record["id"],
        "subject": record.get("subject", record["id"]),
        "text": "\n\n".join(message["content"] for message in record["messages"]),
    }


def run(arguments, form, profile, records, sets):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write(folder / "train.jsonl", map(as_text, records) if form == "text" else records)
        command = [arguments.cloister, "run", folder / "train.jsonl", "--base", arguments.base, "--quiet"]
        command += ["--epsilon", str(arguments.epsilon), "--profile", profile, "--keep", "Harbour Line"]
        command += ["--base-precision", arguments.base_precision]
        subprocess.run([*command, "--out", folder / "out"], check=True, stdout=subprocess.DEVNULL)
        evidence = json.loads((folder / "out" / "evidence.json").read_text(encoding="utf-8"))
        losses = {name: loss(arguments, form, records, folder / "out" / "adapter") for name, records in sets.items()}
    precision = {"base_precision": arguments.base_precision}
    return losses | precision | {"plan": {name: evidence["privacy"][name] for name in PLAN}}


def loss(arguments, form, records, adapter):
    """Of a text, every token after the first. Of answers: the conversation up to an answer's end, less what came before."""
    texts = []
    if form == "text":
        texts = [(f"{number}/after", as_text(record)["text"]) for number, record in enumerate(records)]
    for number, record in enumerate(records if form == "chat" else ()):
        before = ""
        if record["messages"][0]["role"] != "system":  # what the base's template puts first
            before = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        for turn, message in enumerate(record["messages"]):
            before += f"<|im_start|>{message['role']}\n"
            after = before + message["content"] + "<|im_end|>"
            if message["role"] == "assistant":
                texts += [(f"{number}/{turn}/before", before), (f"{number}/{turn}/after", after)]
            before = after + "\n"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write(folder / "texts.jsonl", [{"id": name, "text": text} for name, text in texts])
        command = [arguments.cloister, "audit", "score", folder / "texts.jsonl", "--base", arguments.base]
        command += ["--out", folder / "scores.jsonl"] + (["--adapter", adapter] if adapter else [])
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        scores = {score["id"]: score for score in lines(folder / "scores.jsonl")}
    total = {name: 0 for name in ("tokens", "logprob")}
    for name, score in scores.items():
        for figure in total:
            total[figure] += score[figure] if name.endswith("/after") else -score[figure]
    return {"nats_per_token": -total["logprob"] / total["tokens"], "tokens": total["tokens"], "records": len(records)}


def write(path, records):
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8")


def table(form, results, profiles):
    base, first = results["base"], results[profiles[0]][0]
    plan = first["plan"]
    heads = [f"{SETS[name]} ({base[name]['records']}, {base[name]['tokens']:,} tokens)" for name in SETS]
    rows = [["base, not tuned", *(f"{base[name]['nats_per_token']:.4f}" for name in SETS)]]
    for profile in profiles:
        cells = []
        for name in SETS:
            values = [run[name]["nats_per_token"] for run in results[profile]]
            each = ", ".join(f"{value:.4f}" for value in values)
            cells.append(f"**{statistics.mean(values):.4f}** ({each})")
        rows.append([f"tuned on `{profile}`", *cells])
    what = {"text": "Records as texts, every token learned", "chat": "Answers learned"}[form]
    text = f"\n{what}: {plan['units']:,} records at epsilon {plan['epsilon']:.3g}, {plan['steps']} steps, sigma "
    text += f"{plan['sigma']:.4g}, clip norm {plan['clip_norm']:g}, base in {first['base_precision']}; "
    text += "the same plan in every run.\n\n"
    for row in [["", *heads], ["---"] * 3, *rows]:
        text += "| " + " | ".join(row) + " |\n"
    return text


if __name__ == "__main__":
    main()

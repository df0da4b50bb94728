#!/usr/bin/env python3
"""Writes the named entities of LitBank (Bamman, Popat and Shen 2019, CC BY 4.0) in the form of the other corpora.

  make_litbank.py LITBANK/coref/tsv > litbank.jsonl

Proper names alone are taken (mentions marked PROP), the outermost of nested ones, without honorifics. Texts are joined from
tokens by the usual spacing, so that they can differ from the books.
"""
import json
import pathlib
import sys

LABELS = {"PER": "PERSON", "GPE": "LOCATION", "LOC": "LOCATION", "FAC": "LOCATION", "ORG": "ORGANIZATION"}
HONORIFICS = {"mr", "mrs", "ms", "miss", "dr", "sir", "lady", "lord", "madame", "monsieur", "captain", "professor", "uncle", "aunt",
              "aunty", "colonel", "doctor", "master", "m", "mme", "rev", "the", "old", "little", "young", "poor", "dear", "my", "father"}
CLOSING = set(".,;:!?)]}”’'…") | {"n't", "'s", "'ll", "'re", "'ve", "'d", "'m", "’s", "’ll", "’re", "’ve", "’d", "’m", "n’t", "--", "—"}
OPENING = set("([{“‘—") | {"--"}


def main():
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.txt")):
        sentences = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        mentions = {}
        for line in path.with_suffix(".ann").read_text(encoding="utf-8").splitlines():
            fields = line.split("\t")
            if fields[0] == "MENTION" and fields[8] == "PROP" and fields[7] in LABELS and fields[2] == fields[4]:
                mentions.setdefault(int(fields[2]), []).append((int(fields[3]), int(fields[5]), LABELS[fields[7]]))
        for number, tokens in enumerate(sentences):
            text, bounds = "", []
            for token in tokens:
                glued = token in CLOSING or text[-1:] in OPENING or not text
                text += token if glued else " " + token
                bounds.append((len(text) - len(token), len(text)))
            spans, taken = [], -1
            for first, last, label in sorted(mentions.get(number, []), key=lambda m: (m[0], -m[1])):
                if first <= taken or last >= len(tokens):
                    continue
                taken = last
                while label == "PERSON" and first < last and tokens[first].lower().rstrip(".") in HONORIFICS:
                    first += 1
                if label != "PERSON" and first < last and tokens[first].lower() == "the":
                    first += 1
                name = text[bounds[first][0]:bounds[last][1]]
                if label == "PERSON" and name.lower().rstrip(".") in HONORIFICS:
                    continue
                spans.append({"start": bounds[first][0], "end": bounds[last][1], "label": label})
            if text:
                print(json.dumps({"id": f"litbank-{path.stem}-{number}", "text": text, "spans": spans}, ensure_ascii=False))


main()

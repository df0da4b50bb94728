#!/usr/bin/env python3
"""Writes names.txt from the name lists of the US Census Bureau of 1990 (public domain).

  make_names.py FOLDER > names.txt

FOLDER holds us_census_1990_{female_given,male_given,surnames}.tsv: name, tab, frequency in percent.
Each section is ordered by frequency, because the pools of surrogates are taken from its head.
A given name that both lists hold goes to the side where it is at least ten times as frequent, else to both.
"""
import sys

SURNAMES = 21_000


def read(folder, name):
    rows = {}
    with open(f"{folder}/us_census_1990_{name}.tsv", encoding="utf-8") as file:
        for line in file:
            word, percent = line.rstrip("\n").split("\t")
            rows.setdefault(word.lower(), float(percent))
    return rows


def main():
    folder = sys.argv[1]
    female, male, surname = (read(folder, n) for n in ("female_given", "male_given", "surnames"))

    def order(rows, other=None):
        keep = [w for w in rows if len(w) > 1 and (other is None or rows[w] * 10 >= other.get(w, 0))]
        return sorted(keep, key=lambda w: (-rows[w], w))

    for title, words in (
        ("female", order(female, male)),
        ("male", order(male, female)),
        ("surname", order(surname)[:SURNAMES]),
    ):
        print(f"# {title}")
        for start in range(0, len(words), 16):
            print(" ".join(words[start : start + 16]))


main()

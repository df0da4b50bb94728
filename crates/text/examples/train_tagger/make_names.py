#!/usr/bin/env python3
"""Writes world_names.txt: given names and surnames of many countries in Latin script.

  make_names.py FAKER POPULAR > world_names.txt

FAKER is the unpacked package `Faker` (MIT licence), of whose providers only the lists of names are read. POPULAR is the folder of
the data set `popular-names-by-country` (CC0) with its two CSV files. Names in Cyrillic and Greek letters are
transliterated; other scripts are left out. The order is alphabetic, so that the file depends on its sources alone.
"""
import csv
import importlib
import pathlib
import sys

CYRILLIC = dict(zip(
    "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґјљњћђџ",
    "a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh shch _ y _ e yu ya i yi ye g j lj nj c dj dz".split(),
))
GREEK = dict(zip("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐ",
                 "a v g d e z i th i k l m n x o p r s s t y f ch ps o a e i i o y o i y i".split()))


def latin(name):
    """The name in Latin script, or nothing."""
    table = {**CYRILLIC, **GREEK}
    out = "".join(table.get(c, c).replace("_", "") for c in name.strip().lower())
    if all(c.isalpha() and ord(c) < 0x250 or c in "' -\u2019" for c in out) and 2 <= len(out) <= 20:
        return out.replace("\u2019", "'").replace(" ", "-") if out[0].isalpha() and out[-1].isalpha() else None
    return None


def faker(folder, given, surnames):
    sys.path.insert(0, str(folder))
    for path in sorted((folder / "faker/providers/person").iterdir()):
        if not (path / "__init__.py").exists():
            continue
        provider = importlib.import_module(f"faker.providers.person.{path.name}").Provider
        for attribute in sorted(vars(provider)):
            side = given if attribute.startswith("first") else surnames if attribute.startswith("last") else None
            values = getattr(provider, attribute)
            if side is None or not isinstance(values, (tuple, list, set, dict)):
                continue
            for value in values:
                for name in value if isinstance(value, tuple) else (value,):
                    if isinstance(name, str):
                        side.add(latin(name))


def popular(folder, given, surnames):
    for name, side in (("forenames", given), ("surnames", surnames)):
        with open(folder / f"common-{name}-by-country.csv", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                for column in ("Localized Name", "Romanized Name"):
                    for part in (row[column] or "").replace("/", ",").split(","):
                        side.add(latin(part))


def main():
    given, surnames = set(), set()
    faker(pathlib.Path(sys.argv[1]), given, surnames)
    popular(pathlib.Path(sys.argv[2]), given, surnames)
    for title, names in (("given", given), ("surname", surnames)):
        names = sorted(name for name in names if name)
        print(f"# {title}")
        for start in range(0, len(names), 16):
            print(" ".join(names[start : start + 16]))


main()

"""Reads a folder of metrics that `cloister train --metrics DIR` wrote, with the readers of TensorBoard:

    .venv/bin/python tfevents.py DIR

fails (exit 1) unless every record of every event file passes TensorBoard's checksums, and the figures are those of
DIR/metrics.jsonl, to 32 bits. With --vectors it prints, in hex, the records that the `tensorboard` package writes for
the two events of the unit test in crates/cloister/src/train/tfevents.rs.

(Not named tensorboard.py: it would stand in the way of the package.)
"""

import argparse
import io
import json
import pathlib
import struct
import sys

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

TAGS = {
    "epsilon": "privacy/epsilon",
    "learning_rate": "train/learning_rate",
    "evaluation_nats_per_token": "evaluation/nats_per_token",
    "tokens_per_second": "run/tokens_per_second",
    "peak_rss_bytes": "run/peak_rss_bytes",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=pathlib.Path)
    parser.add_argument("--vectors", action="store_true")
    arguments = parser.parse_args()
    if arguments.vectors:
        vectors()
    elif arguments.folder:
        sys.exit(check(arguments.folder))
    else:
        parser.error("a folder or --vectors")


def vectors():
    version = Event(wall_time=1.5, file_version="brain.Event:2")
    value = Summary.Value(tag="privacy/epsilon", simple_value=7.25)
    scalar = Event(wall_time=1.5, step=300, summary=Summary(value=[value]))
    for name, event in [("VERSION", version), ("SCALAR", scalar)]:
        buffer = io.BytesIO()
        RecordWriter(buffer).write(event.SerializeToString(deterministic=True))
        print(name, buffer.getvalue().hex())


def check(folder):
    expected = set()
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        line = json.loads(line)
        for field, tag in TAGS.items():
            if field in line:
                expected.add((tag, line["step"], single(line[field])))
        if line.get("steps_lost"):
            expected.add(("privacy/steps_lost", line["step"], single(line["steps_lost"])))
    found = set()
    files = sorted(folder.glob("*tfevents*"))
    for path in files:
        # The loader stops at a record that is cut off and raises for a wrong checksum.
        events = [Event.FromString(raw) for raw in RawEventFileLoader(str(path)).Load()]
        if not events or events[0].file_version != "brain.Event:2":
            print(f"{path}: no version", file=sys.stderr)
            return 1
        for event in events[1:]:
            for value in event.summary.value:
                found.add((value.tag, event.step, value.simple_value))
    report = {
        "files": len(files),
        "figures": len(found),
        "missing": sorted(expected - found),
        "unknown": sorted(found - expected),
    }
    print(json.dumps(report))
    return 0 if files and found == expected else 1


def single(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


if __name__ == "__main__":
    main()

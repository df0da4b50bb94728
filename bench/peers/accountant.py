"""Times our PLD accountant and dp_accounting's on the ten questions of accountant.jsonl, in turns.

    accountant.py --cloister BINARY [--rounds N]        writes ../results/accountant.{json,md}

Both answer on a grid of at most 1e-4 (connect-the-dots, pessimistic, add-remove); ours says which grid it used. In every
round every question is answered by dp_accounting once and by `cloister bench accountant` twenty times after a first answer
that is not counted, one right after the other. Ratios are of medians over all rounds, of wall time and of processor time:
on a busy machine a short answer is interrupted less often than a long one, which flatters the former. dp_accounting warms
up in a round that is not counted.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import time

import dp_accounting
from dp_accounting import pld

HERE = pathlib.Path(__file__).resolve().parent
QUESTIONS = HERE / "accountant.jsonl"
RESULTS = HERE.parent / "results"
GRID = 1e-4


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cloister", required=True, help="the binary")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    questions = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    loads = [os.getloadavg()[0]]
    for question in questions:
        theirs(question)
    runs = [{"ours": [], "theirs": []} for _ in questions]
    for _ in range(arguments.rounds):
        for index, question in enumerate(questions):
            runs[index]["theirs"].append(theirs(question))
            runs[index]["ours"].append(ours(arguments.cloister, index))
        loads.append(os.getloadavg()[0])
    write(questions, runs, arguments, loads)


def theirs(question):
    started, running = time.perf_counter(), time.process_time()
    accountant = pld.PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE, GRID)
    for phase in question["phases"]:
        event = dp_accounting.PoissonSampledDpEvent(phase["q"], dp_accounting.GaussianDpEvent(phase["sigma"]))
        accountant.compose(event, phase["steps"])
    epsilon = accountant.get_epsilon(question["delta"])
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - running
    return {"epsilon": epsilon, "seconds": seconds, "cpu_seconds": cpu_seconds}


def ours(binary, index):
    command = [binary, "bench", "accountant", "--question", str(index + 1), "--repeats", "20", "--json", "--quiet"]
    document = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return document["questions"][0]["pld"]


def write(questions, runs, arguments, loads):
    rows = []
    for question, run in zip(questions, runs):
        first = run["ours"][0]
        assert first["grid"] <= GRID, f"our grid is {first['grid']}"
        seconds = statistics.median(second for one in run["ours"] for second in one["all_seconds"])
        peer = statistics.median(one["seconds"] for one in run["theirs"])
        cpu = statistics.median(one["cpu_seconds"] for one in run["ours"])
        peer_cpu = statistics.median(one["cpu_seconds"] for one in run["theirs"])
        rows.append({
            "question": question, "cloister_seconds": seconds, "dp_accounting_seconds": peer, "ratio": peer / seconds,
            "cloister_cpu_seconds": cpu, "dp_accounting_cpu_seconds": peer_cpu, "cpu_ratio": peer_cpu / cpu,
            "cloister_first_seconds": statistics.median(one["first_seconds"] for one in run["ours"]),
            "cloister_epsilon": first["epsilon"], "dp_accounting_epsilon": run["theirs"][0]["epsilon"],
            "cloister_grid": first["grid"], "dp_accounting_grid": GRID,
        })
    machine = {
        "processor": processor(), "logical_processors": os.cpu_count(), "rounds": arguments.rounds,
        "date": time.strftime("%Y-%m-%d"), "load_average": loads, "idle": max(loads) < 1.5,
        "versions": {"dp-accounting": "0.6.0", "python": platform.python_version()},
    }
    summary = {}
    for name in ("ratio", "cpu_ratio"):
        ratios = [row[name] for row in rows]
        summary[name] = {"least": min(ratios), "median": statistics.median(ratios), "most": max(ratios)}
    RESULTS.mkdir(exist_ok=True)
    everything = {"machine": machine, "summary": summary, "medians": rows, "runs": runs}
    (RESULTS / "accountant.json").write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "accountant.md").write_text(table(rows, machine, summary), encoding="utf-8")
    print(table(rows, machine, summary))


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def span(ratios):
    return f"{ratios['least']:.0f} to {ratios['most']:.0f} (median {ratios['median']:.0f})"


def table(rows, machine, summary):
    state = "idle" if machine["idle"] else "not idle"
    lines = [
        "# The accountant against dp_accounting 0.6.0",
        "",
        f"Made by `bench/peers/accountant.py`: medians of {machine['rounds']} rounds in turns, {machine['processor']}, "
        f"{machine['logical_processors']} logical processors, {machine['date']}. The machine was {state}: load average "
        f"{min(machine['load_average']):.1f} to {max(machine['load_average']):.1f}. Both sides use one thread and a grid "
        "of at most 1e-4, pessimistic. *First* is our first answer in a fresh process, tables and plans included.",
        "",
        f"dp_accounting takes {span(summary['cpu_ratio'])} times as much processor time, and "
        f"{span(summary['ratio'])} times as long by the clock (which favours short answers on a busy machine).",
        "",
        "| phases (q, sigma, steps) | delta | cloister | first | dp_accounting | ratio | cloister CPU | dp_accounting CPU "
        "| CPU ratio | grid | epsilon | theirs |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        phases = "; ".join(f"{p['q']:g}, {p['sigma']:g}, {p['steps']}" for p in row["question"]["phases"])
        lines.append(
            f"| {phases} | {row['question']['delta']:g} | {1e3 * row['cloister_seconds']:.1f} ms "
            f"| {1e3 * row['cloister_first_seconds']:.1f} ms | {1e3 * row['dp_accounting_seconds']:.0f} ms "
            f"| {row['ratio']:.0f} | {1e3 * row['cloister_cpu_seconds']:.1f} ms | {1e3 * row['dp_accounting_cpu_seconds']:.0f} ms "
            f"| {row['cpu_ratio']:.0f} | {row['cloister_grid']:.2g} | {row['cloister_epsilon']:.5f} "
            f"| {row['dp_accounting_epsilon']:.5f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Seconds to the same accuracy on VALID, in SQL and in torch_script.py.

Called by run.sh, which has started a server.  Both sides are watched on VALID: PyTorch after every epoch,
ours by whole trainings of 1, 2, 3... epochs up to the default, each with a schedule of its own, of which the
first that is good enough counts, with all that lstm_train does.  The accuracy asked for is PyTorch's best, or
that of our default training if it is lower; PyTorch's time is that of the first epoch that reached it.
"""
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "speed"))

import side  # noqa: E402
from side import DATA, ROOT, SEED, N_CORES, Table, output_of, threads  # noqa: E402

LIMIT = int(os.environ.get("LIMIT") or 0)
TRIES = [1, 2, 3]
SCRIPT = os.path.join(HERE, "torch_script.py")
# OpenMP and OpenBLAS threads on so many cores; the table of bench/speed says which are best
TORCH = {1: (1, 1), 2: (1, 2)}


def sql(text):
    return output_of(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", text])


def load(name):
    for part in ("train", "valid"):
        table = "%s_%s" % (name, part)
        sql("DROP TABLE IF EXISTS %s CASCADE" % table)
        subprocess.run(["sh", os.path.join(ROOT, "scripts", "load_set.sh"), os.path.join(DATA, name, part + ".tsv.gz"),
                        table], check=True)
        if LIMIT:
            sql("DELETE FROM %s WHERE ctid NOT IN (SELECT ctid FROM %s LIMIT %d)" % (table, table, LIMIT))


def has_workers():
    return sql("SELECT count(*) FROM lstm_options('classify') WHERE name = 'workers'") == "1"


def ours(name, cores, epochs=None):
    """Seconds and accuracy of a training."""
    options = {"seed": SEED}
    if epochs:
        options["epochs"] = epochs
    if has_workers():
        options["workers"] = cores
    started = time.perf_counter()
    run = json.loads(sql("SELECT to_json(t) FROM lstm_train('%s_train', 'text', 'label', model => 'm', options => '%s') t"
                         % (name, json.dumps(options))))
    took = time.perf_counter() - started
    got = float(sql("SELECT metrics ->> 'accuracy' FROM lstm_evaluate('m', '%s_valid', 'text', 'label')" % name))
    sql("SELECT lstm_drop('m')")
    return took, got, run["epochs"]


def torch_run(name, net, cores):
    """Seconds and accuracy after each epoch."""
    command = [sys.executable, SCRIPT] + [os.path.join(DATA, name, part + ".tsv.gz") for part in ("train", "valid")]
    command += ["--net", net, "--seed", str(SEED)] + (["--limit", str(LIMIT)] if LIMIT else [])
    lines = output_of(command, dict(threads(*TORCH[cores]), PYTHONHASHSEED="1")).splitlines()
    return [(e["seconds"], e["accuracy"]) for e in map(json.loads, lines)]


def first_good(name, cores, wanted, whole):
    for epochs in TRIES:
        if epochs >= whole[2]:
            break
        tried = ours(name, cores, epochs)
        if tried[1] >= wanted:
            return tried
    return whole


def measure(name, cores, table):
    whole = ours(name, cores)
    for net in ("lstm", "both"):
        theirs = torch_run(name, net, cores)
        best = max(a for _, a in theirs)
        wanted = min(best, whole[1])
        their_seconds = next(s for s, a in theirs if a >= wanted)
        good = first_good(name, cores, wanted, whole)
        table.row(name, str(cores), {"lstm": "LSTM", "both": "LSTM and bag"}[net], "%.4f" % best, "%.1f" % theirs[-1][0],
                  "%.4f" % whole[1], "%.1f" % whole[0], "%.4f" % wanted, "%.1f" % their_seconds,
                  "%.1f (%d epochs, %.4f)" % (good[0], good[2], good[1]), "%.2f" % (their_seconds / good[0]))


def main():
    lines = []

    def out(line):
        print(line, flush=True)
        lines.append(line)

    out("")
    out("## From rows to a finished model")
    out("")
    out(side.machine() + "; PyTorch %s" % side.module_version("torch"))
    out("")
    table = Table(out, "set", "cores", "PyTorch's network", "its best", "stopped after s", "our default", "s", "asked for",
                  "PyTorch s", "ours s", "x")
    cores = [1] + ([2] if N_CORES > 1 and has_workers() else [])
    for name in sys.argv[1:] or ["sst2", "imdb"]:
        load(name)
        for n in cores:
            measure(name, n, table)
    with open(os.path.join(ROOT, "bench", "results.md"), "a") as f:
        f.write("\n".join(lines) + "\n")


main()

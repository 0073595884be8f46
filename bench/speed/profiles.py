"""Where training and answering spend their time: perf's samples, and instructions as valgrind counts them.

Called by run.py.  Valgrind knows no AVX-512, so it counts the AVX2 kernels; what memory costs it does not see,
which is what the two columns tell apart.
"""
import os
import re
import shutil
import subprocess

import numpy as np

import answer
import side
import train
from side import SEED, WORK, Table

LEAST = 0.01


def function_of(text):
    return re.sub(r"\.(isra|part|constprop|cold)\.\d+", "", text)


def by_function(pairs):
    """Shares of the whole, summed by function."""
    sums = {}
    for function, value in pairs:
        name = "products (tile_*)" if function.startswith("tile_") else \
            "copies (memcpy)" if re.search("mem(cpy|move)", function) else \
            "zeros (memset)" if "memset" in function else function_of(function)
        sums[name] = sums.get(name, 0) + value
    whole = sum(sums.values())
    return {name: value / whole for name, value in sums.items()}


def perf(command):
    """Shares of the processor's time, or {} where perf is missing or not allowed."""
    data = os.path.join(WORK, "perf.data")
    if not shutil.which("perf") or subprocess.run(["perf", "record", "-q", "-o", data] + command,
                                                  capture_output=True).returncode != 0:
        return {}
    lines = subprocess.run(["perf", "report", "-i", data, "--stdio", "-F", "overhead,dso,symbol"], capture_output=True,
                           text=True).stdout.splitlines()
    found = [re.match(r"\s*([0-9.]+)%\s+(\S+)\s+\[(.)\] (\S+)", line) for line in lines]
    return by_function(("the kernel of the system" if m.group(3) == "k" else m.group(4), float(m.group(1)))
                       for m in found if m)


def instructions(command):
    """Shares of the instructions, without the zeros of fresh memory, or {} where valgrind is missing."""
    data = os.path.join(WORK, "callgrind.out")
    if not shutil.which("valgrind"):
        return {}
    subprocess.run(["valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=" + data] + command, check=True,
                   capture_output=True)
    lines = subprocess.run(["callgrind_annotate", "--auto=no", "--threshold=99.9", data], capture_output=True,
                           text=True).stdout.splitlines()
    found = [re.match(r"\s*([0-9,]+) \([ 0-9.]+%\)\s+\S*:(\S+)", line) for line in lines]
    shares = by_function((m.group(2).split(" ")[0], float(m.group(1).replace(",", ""))) for m in found if m)
    shares.pop("zeros (memset)", None)
    whole = sum(shares.values())
    return {name: value / whole for name, value in shares.items()}


def table_of(out, title, command, small):
    time, count = perf(command), instructions(small)
    out("")
    out(title)
    out("")
    table = Table(out, "function", "time (perf)", "instructions (valgrind, AVX2)")
    for name in sorted(set(time) | set(count), key=lambda n: -max(time.get(n, 0), count.get(n, 0))):
        if max(time.get(name, 0), count.get(name, 0)) >= LEAST:
            table.row("`%s`" % name, "%.1f %%" % (100 * time.get(name, 0)) if time else "-",
                      "%.1f %%" % (100 * count.get(name, 0)) if count else "-")


def training(out, case):
    commands = []
    texts, words = train.make_rows(case)
    for n_batches in (len(texts), 1):
        some = texts[:n_batches * case[3]]
        data = train.write_examples("profile.%d.data" % n_batches, some, np.random.default_rng(SEED))
        weights = train.write_weights("profile.weights", case, words, np.random.default_rng(SEED))
        commands.append(train.Ours(case, data, weights, words, 1).command)
    table_of(out, "Training, %s" % " ".join(str(x) for x in case), *commands)


def answering(out, name, H):
    model, lines = answer.make_case(name, H)[:2]
    few = lines + ".few"
    with open(lines, encoding="utf-8") as f, open(few, "w", encoding="utf-8") as g:
        g.writelines(f.readlines()[:32])
    table_of(out, "Answers, %s, H = %d: from texts, from tokens, and one by one, together" % (name, H),
             [answer.OURS, "run", model, lines], [answer.OURS, "run", model, few])


def main(out, cores):
    del cores
    out("")
    out("## Profiles")
    missing = [p for p, tool in (("linux-perf", "perf"), ("valgrind", "valgrind")) if not shutil.which(tool)]
    if missing:
        out("")
        out("Left out: apt install " + " ".join(missing))
    for case in (("lstm", 1, 128, 32, 64), ("lstm", 1, 256, 64, 64), ("lstm", 1, 128, 64, "imdb"),
                 ("lstm", 1, 128, 32, "sst2")):
        training(out, case)
    for name in ("sst2", "imdb"):
        answering(out, name, 128)
    out("")
    out(side.machine())

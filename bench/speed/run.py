#!/usr/bin/python3
"""All measurements of bench/speed, or those named; run.sh has built what they need."""
import os
import sys

import side


def main():
    sections = [a for a in sys.argv[1:] if not a.isdigit()] or ["train", "answer", "sql", "workers"]
    cores = [int(a) for a in sys.argv[1:] if a.isdigit()] or [1, 2]
    lines = []

    def out(line):
        print(line, flush=True)
        lines.append(line)

    os.makedirs(side.WORK, exist_ok=True)
    out("# Speed")
    out("")
    out(side.machine())
    for section in sections:
        __import__(section).main(out, [c for c in cores if c <= side.N_CORES])
    with open(os.path.join(side.ROOT, "bench", "results.md"), "w") as f:
        f.write("\n".join(lines) + "\n")


main()

#!/usr/bin/python3
"""Train with default options in SQL, evaluate on valid, print one row a set.

Called by run.sh, which has started a server; psql finds it by its environment.
"""
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.environ["DATA"]
ROOT = os.environ["here"]


def sql(text):
    out = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", text],
                         capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(out.stderr)
    return out.stdout.strip()


def load(name, part):
    """One file into a table; several input columns are joined by a space."""
    table = "%s_%s" % (name, part)
    path = os.path.join(DATA, name, part + ".tsv.gz")
    if sql("SELECT to_regclass('%s') IS NULL" % table) == "t":
        subprocess.run(["sh", os.path.join(ROOT, "scripts", "load_set.sh"), path, table], check=True)
    return table


def view(table, row, source, target):
    name = "%s_%s" % (row, "valid" if table.endswith("_valid") else "train")
    expression = " || ' ' || ".join('"%s"' % c for c in source.split("+"))
    sql('DROP VIEW IF EXISTS "v_%s"; CREATE VIEW "v_%s" AS SELECT %s AS input, nullif("%s", \'\') AS target FROM "%s"'
        % (name, name, expression, target, table))
    return "v_" + name


def ours(row, name, source, target):
    train = view(load(name, "train"), row, source, target)
    valid = view(load(name, "valid"), row, source, target)
    start = time.time()
    out = json.loads(sql("SELECT to_json(t) FROM lstm_train('%s', 'input', 'target', model => 'm_%s') t" % (train, row)))
    seconds = time.time() - start
    got = json.loads(sql("SELECT metrics || jsonb_build_object('rows', rows) FROM lstm_evaluate('m_%s', '%s', 'input', 'target')"
                         % (row, valid)))
    sql("SELECT lstm_drop('m_%s')" % row)
    return {"rows": out["rows"], "valid": got["rows"], "accuracy": got["accuracy"],
            "macro_f1": got["macro_f1"], "seconds": seconds, "peak": out["metrics"].get("peak_bytes", 0)}


def peer(name, source, target):
    if os.environ.get("NO_PEER") or source in ("series", "pixels"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        for part in ("train", "valid"):
            with gzip.open(os.path.join(DATA, name, part + ".tsv.gz")) as f, open("%s/%s.tsv" % (folder, part), "wb") as g:
                g.write(f.read())
        out = subprocess.run(["/usr/bin/python3", os.path.join(HERE, "fasttext_peer.py"), folder + "/train.tsv",
                              folder + "/valid.tsv", source, target, str(os.cpu_count())],
                             capture_output=True, text=True, check=True).stdout
    return json.loads(out)


def main():
    wanted = sys.argv[1:]
    print("| set | rows | valid rows | accuracy | macro-F1 | seconds | peak MB | fastText | its seconds | difference |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for line in open(os.path.join(HERE, "sets.txt")):
        if line.startswith("#") or not line.strip():
            continue
        row, name, source, target = line.split()
        if wanted and row not in wanted:
            continue
        us = ours(row, name, source, target)
        them = peer(name, source, target)
        print("| %s | %d | %d | %.4f | %.4f | %.0f | %d | %s | %s | %s |" % (
            row, us["rows"], us["valid"], us["accuracy"], us["macro_f1"], us["seconds"], us["peak"] >> 20,
            "%.4f" % them["best"]["accuracy"] if them else "-",
            "%.1f" % them["best"]["seconds"] if them else "-",
            "%+.4f" % (us["accuracy"] - them["best"]["accuracy"]) if them else "-"), flush=True)


main()

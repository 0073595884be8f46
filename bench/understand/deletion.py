#!/usr/bin/python3
"""Deletion (Samek et al. 2017; Petsiuk et al. 2018): do the words that an explanation names decide?

Called by run.sh, which has started a server; psql finds it by its environment.  Of rows
that the model has not seen, words are deleted in steps of a tenth: by weight, the largest
first; at random; and the smallest first.  What is left is answered again.  The figure is
the mean probability of the first answer's label over the steps (the area under the
deletion curve): the lower, the sooner the deleted words were those that mattered.
"""
import gzip
import os
import random
import subprocess

DATA = os.environ["DATA"]
LIMIT = int(os.environ.get("LIMIT") or 0)
OPTIONS = os.environ.get("OPTIONS") or "{}"
SETS = [("sst2", "text", "label", 400), ("imdb", "text", "label", 100), ("airline_tweets", "text", "label", 400)]
STEPS = 10
N_RANDOM = 3


def sql(text, given=None):
    """What a statement answers; `given` is what a COPY FROM STDIN in it reads."""
    command = ["psql", "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1"]
    if given is None:
        out = subprocess.run(command, input=text, capture_output=True, text=True)
    else:
        out = subprocess.run(command + ["-c", text], input=given, capture_output=True, text=True)
    if out.returncode != 0:
        raise RuntimeError(out.stderr.strip())
    return out.stdout.rstrip("\n")


def rows_of(text):
    out = sql(text)
    return [line.split("\t") for line in out.split("\n")] if out else []


def escaped(text):
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def read(name, part, column, target):
    """(text, label) of a file's rows."""
    with gzip.open(os.path.join(DATA, name, part + ".tsv.gz"), "rt", newline="\n") as file:
        names = file.readline().rstrip("\n").split("\t")
        rows = [line.rstrip("\n").split("\t") for line in file]
    at, to = names.index(column), names.index(target)
    return [(row[at], row[to]) for row in rows if len(row) == len(names)]


def load(table, rows):
    sql("DROP TABLE IF EXISTS %s; CREATE TABLE %s (id integer, body text, label text)" % (table, table))
    sql("COPY %s FROM STDIN" % table,
        "".join("%d\t%s\t%s\n" % (i, escaped(body), escaped(label)) for i, (body, label) in enumerate(rows)))


def without(body, words):
    """The text less the characters of some words."""
    kept = list(body)
    for start, stop in words:
        kept[start - 1:stop - 1] = [" "] * (stop - start)
    return " ".join("".join(kept).split())


def variants(body, words, rng):
    """(order, step, text) for every order and step."""
    orders = {"weight": sorted(words, key=lambda w: -w[2]), "least": sorted(words, key=lambda w: w[2])}
    for i in range(N_RANDOM):
        orders["random%d" % i] = rng.sample(words, len(words))
    for name, order in orders.items():
        for step in range(1, STEPS + 1):
            n = round(step * len(words) / STEPS)
            yield name, step, without(body, [(w[0], w[1]) for w in order[:n]])


def measure(name, column, target, n_rows):
    rng = random.Random(7)
    train = read(name, "train", column, target)
    valid = rng.sample(read(name, "valid", column, target), n_rows)
    if LIMIT and len(train) > LIMIT:
        train = rng.sample(train, LIMIT)
    load("deletion_train", train)
    load("deletion_valid", valid)
    sql("SELECT lstm_train('deletion_train', 'body', 'label', 'deletion', options => '%s')" % OPTIONS)
    words, label, gaps = {}, {}, []
    for i, start, stop, weight, of, gap in rows_of(
            "SELECT id, start, stop, weight, e.label, CASE WHEN row_number() OVER (PARTITION BY id) = 1 THEN "
            "abs(gap / nullif(score - baseline, 0)) END FROM deletion_valid, "
            "LATERAL lstm_explain('deletion', body) e WHERE weight IS NOT NULL"):
        words.setdefault(int(i), []).append((int(start), int(stop), float(weight)))
        label[int(i)] = of
        if gap:
            gaps.append(float(gap))
    given = []
    for i, of in words.items():
        for order, step, text in [("none", 0, valid[i][0])] + list(variants(valid[i][0], of, rng)):
            given.append("%d\t%s\t%d\t%s\t%s\n" % (i, order, step, escaped(text), escaped(label[i])))
    sql("DROP TABLE IF EXISTS deletion; CREATE TABLE deletion (id integer, kind text, step integer, body text, label text)")
    sql("COPY deletion FROM STDIN", "".join(given))
    curve = {(kind, int(step)): float(p) for kind, step, p in rows_of(
        "SELECT regexp_replace(kind, '\\d', ''), step, avg(p.probability) FROM deletion d, "
        "LATERAL lstm_probabilities('deletion', body) p WHERE p.label = d.label GROUP BY 1, 2")}
    first = curve["none", 0]
    area = {kind: (first + sum(curve[kind, step] for step in range(1, STEPS + 1))) / (STEPS + 1)
            for kind in ("weight", "random", "least")}
    print("| %s | %d | %d | %.3f | %.3f | %.3f | %.3f | %.3f | %.3f | %.2f %% |" % (
        name, len(train), len(words), first, area["weight"], area["random"], area["least"],
        curve["weight", 2], curve["random", 2], 100 * max(gaps)), flush=True)


print("| set | learned from | explained | probability | area, by weight | at random | the least first | "
      "a fifth deleted, by weight | at random | largest gap |")
print("|---|---|---|---|---|---|---|---|---|---|")
for one in SETS:
    if not os.environ.get("SETS") or one[0] in os.environ["SETS"].split():
        measure(*one)

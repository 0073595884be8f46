#!/usr/bin/env python3
"""Topics by lstm_topics beside LDA and NMF of scikit-learn.

    topics.py [-h HOST] [-d DATABASE] [--seeds N] [--peers-only] DIRECTORY SET:K[:ROWS] ...

DIRECTORY/SET/train.tsv.gz and valid.tsv.gz have a header row with columns text and label.
Labels are looked at in the end only.  All three see the same rows and as many topics as
there are labels.  LDA and NMF get words in 3 rows or more and in half of the rows at most,
10,000 at most, without English stop words; lstm_topics gets the texts.  NPMI is that of the
ten words of each topic over the same training rows, words never together counting -1.  For
each set lstm_topics also chooses the number of topics itself, which K says; with SET:0 that alone.
NMF stops after 100 iterations.  ROWS is how many of the training rows are read.

Needs python3-sklearn, psql, and a database in which the extension is created.
"""
import argparse
import csv
import gzip
import io
import itertools
import math
import re
import subprocess
import sys
import time
import warnings

import numpy as np
from sklearn.decomposition import NMF, LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import normalized_mutual_info_score

WORD = r"(?u)\b[^\W\d_]\w+\b"


def read(path, limit):
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as f:
        head = f.readline().rstrip("\n").split("\t")
        rows = [line.rstrip("\n").split("\t") for line in itertools.islice(f, limit)]
    text, label = head.index("text"), head.index("label")
    return [r[text] for r in rows], [r[label] for r in rows]


def purity(labels, topics):
    n = {}
    for pair in zip(topics, labels):
        n[pair] = n.get(pair, 0) + 1
    best = {}
    for (topic, _), count in n.items():
        best[topic] = max(best.get(topic, 0), count)
    return sum(best.values()) / len(labels)


class Coherence:
    def __init__(self, texts):
        self.n = len(texts)
        self.rows = {}
        for i, text in enumerate(texts):
            for word in set(re.findall(r"\w+", text.casefold())):
                self.rows.setdefault(word, set()).add(i)

    def npmi(self, v, w):
        a, b = self.rows.get(v, set()), self.rows.get(w, set())
        both = len(a & b) / self.n
        if both == 0:
            return -1.0
        if both == 1:
            return 1.0
        return math.log(both * self.n / len(a) * self.n / len(b)) / -math.log(both)

    def of(self, topics):
        each = [np.mean([self.npmi(v, w) for v, w in itertools.combinations(words, 2)])
                for words in topics if len(words) > 1]
        return float(np.mean(each))


def diversity(topics):
    words = [w for t in topics for w in t]
    return len(set(words)) / len(words)


def line(name, coherence, words, train, valid, seconds):
    (labels, topics), (valid_labels, valid_topics) = train, valid
    print(f"  {name:28s} {len(words):3d}"
          f" {normalized_mutual_info_score(labels, topics):.3f} / {purity(labels, topics):.3f}"
          f"  {normalized_mutual_info_score(valid_labels, valid_topics):.3f} / {purity(valid_labels, valid_topics):.3f}"
          f"  {coherence.of(words):6.3f} / {diversity(words):.2f}  {seconds:7.1f}", flush=True)


def peer(name, vectorizer, model, coherence, train, valid):
    begun = time.monotonic()
    matrix = vectorizer.fit_transform(train[0])
    shares = model.fit_transform(matrix)
    seconds = time.monotonic() - begun
    names = vectorizer.get_feature_names_out()
    words = [[names[i] for i in np.argsort(-row, kind="stable")[:10]] for row in model.components_]
    answers = model.transform(vectorizer.transform(valid[0]))
    line(name, coherence, words, (train[1], shares.argmax(axis=1)), (valid[1], answers.argmax(axis=1)), seconds)


class Database:
    def __init__(self, host, name):
        self.command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", name] + (["-h", host] if host else [])

    def run(self, sql, given=None):
        done = subprocess.run(self.command + ["--csv", "-t", "-c", sql], input=given, text=True, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return list(csv.reader(io.StringIO(done.stdout)))

    def load(self, table, texts):
        self.run(f"drop table if exists {table}; create table {table} (id int primary key, text text)")
        out = io.StringIO()
        csv.writer(out).writerows(enumerate(texts))
        self.run(f"copy {table} from stdin with (format csv)", out.getvalue())

    def answers(self, table):
        return [r[0] for r in self.run(f"select lstm_predict('bench_topics', text) from {table} order by id")]


def ours(db, k, seed, options, coherence, train, valid):
    begun = time.monotonic()
    given = '{"seed": %d%s}' % (seed, options)
    rows = db.run("set client_min_messages = warning;"
                  f" select topic, array_to_string(words, ' ') from lstm_topics('bench_train', 'text', {k or 'null'},"
                  f" 'bench_topics', '{given}') where topic > 0")
    seconds = time.monotonic() - begun
    line(f"lstm_topics, seed {seed}{options}" + ("" if k else ", K chosen"), coherence, [r[1].split() for r in rows],
         (train[1], db.answers("bench_train")), (valid[1], db.answers("bench_valid")), seconds)
    db.run("select lstm_drop('bench_topics')")


def peers(k, coherence, train, valid):
    words = dict(token_pattern=WORD, min_df=3, max_df=0.5, max_features=10000, stop_words="english")
    peer("NMF", TfidfVectorizer(sublinear_tf=True, **words),
         NMF(k, init="nndsvd", random_state=1, max_iter=100), coherence, train, valid)
    peer("LDA", CountVectorizer(**words),
         LatentDirichletAllocation(k, learning_method="online", random_state=1), coherence, train, valid)


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--help", action="help")
    parser.add_argument("-h", dest="host")
    parser.add_argument("-d", dest="database", default="postgres")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--options", default="", help="more options of lstm_topics, with a comma before")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--peers-only", action="store_true")
    parser.add_argument("directory")
    parser.add_argument("sets", nargs="+")
    args = parser.parse_args()
    db = Database(args.host, args.database)
    warnings.simplefilter("ignore", ConvergenceWarning)

    print("  " + "method".ljust(28), "  K  NMI / purity  of valid rows  NPMI / diversity  seconds")
    for entry in args.sets:
        name, k, *limit = entry.split(":")
        train = read(f"{args.directory}/{name}/train.tsv.gz", int(limit[0]) if limit else None)
        valid = read(f"{args.directory}/{name}/valid.tsv.gz", None)
        coherence = Coherence(train[0])
        print(f"{name}, {len(train[0])} rows", flush=True)
        if int(k) and not args.no_peers:
            peers(int(k), coherence, train, valid)
        if args.peers_only:
            continue
        db.load("bench_train", train[0])
        db.load("bench_valid", valid[0])
        for seed in range(1, args.seeds + 1):
            if int(k):
                ours(db, int(k), seed, args.options, coherence, train, valid)
        ours(db, None, 1, args.options, coherence, train, valid)
    return 0


if __name__ == "__main__":
    sys.exit(main())

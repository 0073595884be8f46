#!/usr/bin/python3
"""
similar.py: are the nearest rows of the same kind?

    PGHOST=... similar.py DATA_DIRECTORY [set ...]

For each set (banking77, it_tickets) a model learns the labels of train.tsv.gz (at most 8000 rows); the vectors of lstm_embed for
at most 2000 rows of valid.tsv.gz, which it has not seen, are compared by their cosine among themselves.  Printed is how many of
the ten nearest rows of a row have its label, beside TF-IDF of Debian's python3-sklearn on the same rows.
"""
import os
import subprocess
import sys

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer


def sql(text):
    done = subprocess.run(["psql", "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1"], input=text, text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return [line.split("\t") for line in done.stdout.splitlines()]


def same_label(similarity, labels, n=10):
    np.fill_diagonal(similarity, -9.0)
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :n]
    return (labels[nearest] == labels[:, None]).mean()


def measure(folder, name):
    for part, most in (("train", 8000), ("valid", 2000)):
        path = os.path.abspath(os.path.join(folder, name, part + ".tsv.gz"))
        sql(f"""SET client_min_messages = warning;
            DROP TABLE IF EXISTS similar_{part};
            CREATE TABLE similar_{part} (label text, body text);
            \\copy similar_{part} FROM PROGRAM 'zcat {path} | head -n {most + 1}' WITH (FORMAT csv, HEADER, DELIMITER E'\\t', QUOTE E'\\b', NULL '\\N')""")
    sql("SET client_min_messages = warning; SELECT version FROM lstm_train('similar_train', 'body', 'label', model => 'similar')")
    rows = sql("SELECT label, array_to_string(lstm_embed('similar', body), ' '), regexp_replace(body, '\\s+', ' ', 'g') FROM similar_valid")
    labels = np.array([row[0] for row in rows])
    vectors = np.array([[float(x) for x in row[1].split()] for row in rows])
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    tfidf = TfidfVectorizer(sublinear_tf=True).fit_transform([row[2] for row in rows])
    print(f"{name:12} {len(rows)} rows, {len(set(labels))} labels: lstm_embed {same_label(vectors @ vectors.T, labels):.3f}  "
          f"TF-IDF {same_label((tfidf @ tfidf.T).toarray(), labels):.3f}", flush=True)
    sql("DROP TABLE similar_train, similar_valid; SELECT lstm_drop('similar')")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for set_name in sys.argv[2:] or ["banking77", "it_tickets"]:
        measure(sys.argv[1], set_name)

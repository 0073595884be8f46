#!/usr/bin/python3
"""Are the nearest rows of the same kind?

    similar.py DATA_DIRECTORY [SET ...]

Called by run.sh.  For each set a model learns the labels of train.tsv.gz (at most 8000 rows), another one the same texts
without labels; the vectors of lstm_embed for at most 2000 rows of valid.tsv.gz, which neither has seen, are compared by
their cosine among themselves.  The figure is how many of the ten nearest rows of a row have its label, in the mean;
beside it TF-IDF on the same rows, its weights from these alone, and from train.tsv.gz too.
"""
import sys

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from server import OPTIONS, load, sql, text_of


def same_label(similarity, labels, n=10):
    np.fill_diagonal(similarity, -9.0)
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :n]
    return (labels[nearest] == labels[:, None]).mean()


def embedded(model, labels):
    rows = sql(f"SELECT array_to_string(lstm_embed('{model}', text), ' ') FROM similar_valid ORDER BY id")
    vectors = np.array([[float(x) for x in row[0].split()] for row in rows], dtype=np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return same_label(vectors @ vectors.T, labels)


def by_tfidf(texts, learned_from, labels):
    tfidf = TfidfVectorizer(sublinear_tf=True).fit(learned_from).transform(texts)
    return same_label((tfidf @ tfidf.T).toarray(), labels)


def measure(folder, name):
    load("similar_train", f"{folder}/{name}", "train", 8000)
    load("similar_valid", f"{folder}/{name}", "valid", 2000)
    sql(f"SELECT version FROM lstm_train('similar_train', 'text', 'label', model => 'similar', options => '{OPTIONS}')")
    sql("SELECT version FROM lstm_train('similar_train', 'text', model => 'similar_language')")
    rows = sql(f"SELECT label, {text_of('text')} FROM similar_valid ORDER BY id")
    labels = np.array([row[0] for row in rows])
    texts = [row[1] for row in rows]
    train = [row[0] for row in sql(f"SELECT {text_of('text')} FROM similar_train")]
    chance = np.mean([(labels == label).mean() for label in labels])
    print(f"| {name} | {len(train)} | {len(texts)} | {len(set(labels))} | {chance:.3f} | {embedded('similar', labels):.3f} | {embedded('similar_language', labels):.3f} | "
          f"{by_tfidf(texts, texts, labels):.3f} | {by_tfidf(texts, train + texts, labels):.3f} |", flush=True)
    sql("DROP TABLE similar_train, similar_valid; SELECT lstm_drop('similar'); SELECT lstm_drop('similar_language')")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print("\nSame label among the ten nearest of rows that were not learned from.\n")
    print("| set | learned from | compared | labels | chance | lstm_embed | of a language model | TF-IDF of these rows | TF-IDF of all rows |")
    print("|---|---|---|---|---|---|---|---|---|")
    for set_name in sys.argv[2:] or ["banking77", "it_tickets"]:
        measure(sys.argv[1], set_name)

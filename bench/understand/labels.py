#!/usr/bin/python3
"""Accuracy and macro-F1 against the number of labels.

    labels.py DATA_DIRECTORY [SET:INPUT:TARGET ...]

Called by run.sh.  Models learn from 20, 50 and 200 rows of each label and from all rows of train.tsv.gz, from nothing
and from a language model of the whole column after two epochs, which needs no label (warm_start); all answer valid.tsv.gz.  Small samples
are drawn DRAWS times (default 3), and the medians are told.  Beside them TF-IDF of words and pairs of words with
logistic regression, on the same draws.
"""
import os
import statistics
import sys

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from server import load, sql, text_of

DRAWS = int(os.environ.get("DRAWS") or 3)
# the default of 16 epochs takes an hour on it_tickets
LANGUAGE_OPTIONS = os.environ.get("LANGUAGE_OPTIONS") or '{"epochs": 2}'
SETS = ["it_tickets:text:label", "bug_reports:summary:resolution", "airline_tweets:text:label"]


def prepare(folder, name, input_column, target):
    """few_train and few_valid (id, body, label): rows that have a label, whose case does not matter."""
    for part in ("train", "valid"):
        load("few_raw", f"{folder}/{name}", part)
        sql(f"""DROP TABLE IF EXISTS few_{part} CASCADE;
            CREATE TABLE few_{part} AS SELECT id, "{input_column}" AS body, lower("{target}") AS label FROM few_raw WHERE "{target}" <> '' ORDER BY id""")


def draw(n, seed):
    sql(f"""DROP TABLE IF EXISTS few_now;
        CREATE TABLE few_now AS SELECT id, body, label FROM (SELECT *, row_number() OVER (PARTITION BY label ORDER BY md5(id || ' {seed}')) AS n FROM few_train) s WHERE n <= {n}""")


def ours(options):
    return sql(f"""SELECT version FROM lstm_train('few_now', 'body', 'label', model => 'few', options => '{options}');
        SELECT metrics->>'accuracy', metrics->>'macro_f1' FROM lstm_evaluate('few', 'few_valid', 'body', 'label')""")[-1]


def by_regression():
    train = sql(f"SELECT label, {text_of('body')} FROM few_now ORDER BY id")
    valid = sql(f"SELECT label, {text_of('body')} FROM few_valid ORDER BY id")
    tfidf = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)).fit([row[1] for row in train])
    model = LogisticRegression(C=10, max_iter=2000).fit(tfidf.transform([row[1] for row in train]), [row[0] for row in train])
    labels = [row[0] for row in valid]
    answers = model.predict(tfidf.transform([row[1] for row in valid]))
    return (answers == labels).mean(), f1_score(labels, answers, average="macro", labels=sorted(set(labels)), zero_division=0)


def median(figures):
    """Of pairs; each figure by itself."""
    return " / ".join(f"{statistics.median(map(float, column)):.3f}" for column in zip(*figures))


def measure(folder, name, input_column, target):
    prepare(folder, name, input_column, target)
    sql(f"SELECT version FROM lstm_train('few_train', 'body', model => 'few_language', options => '{LANGUAGE_OPTIONS}')")
    commonest = sql("SELECT round(max(n) / sum(n), 3) FROM (SELECT count(*) AS n FROM few_valid GROUP BY label) s")[0][0]
    for n in (20, 50, 200, None):
        found = []
        for seed in range(1 if n is None else DRAWS):
            draw(n or 10 ** 9, seed)
            n_rows = sql("SELECT count(*) FROM few_now")[0][0]
            found.append((ours(f'{{"seed": {seed + 1}}}'), ours(f'{{"seed": {seed + 1}, "warm_start": "few_language"}}'), by_regression()))
        plain, warm, peer = (median(column) for column in zip(*found))
        print(f"| {name}, {target} | {n or 'all'} | {n_rows} | {len(found)} | {plain} | {warm} | {peer} | {commonest} |", flush=True)
    sql("DROP TABLE few_raw, few_train, few_valid, few_now; SELECT lstm_drop('few'); SELECT lstm_drop('few_language')")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print("\nAccuracy / macro-F1 on valid against the number of labeled rows.\n")
    print("| set | rows of a label | rows | draws | plain | warm | TF-IDF, logistic regression | always the commonest |")
    print("|---|---|---|---|---|---|---|---|")
    for given in sys.argv[2:] or SETS:
        measure(sys.argv[1], *given.split(":"))

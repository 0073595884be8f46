#!/usr/bin/python3
"""
causes.py: do the reasons that lstm_causes finds in complaints part them as people did?

    PGHOST=... causes.py DATA_DIRECTORY [causes]

DATA_DIRECTORY holds airline_tweets/train.tsv.gz (label, negative_reason, airline, text).  A model learns the
three sentiments alone; the negative tweets are then put into groups, and the groups are compared with
negative_reason, "Can't Tell" left out: normalized mutual information and purity, beside TF-IDF with k-means and
latent Dirichlet allocation of Debian's python3-sklearn.  Also: how many of random splits have a root cause, and at which rank a
planted one comes out.  Needs psql and a server with the extension; makes and drops tables cause_tweet, cause_planted.
"""
import collections
import os
import subprocess
import sys

from sklearn.cluster import KMeans
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.metrics import normalized_mutual_info_score


def sql(text):
    done = subprocess.run(["psql", "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1"], input=text, text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return [line.split("\t") for line in done.stdout.splitlines()]


def load(path):
    sql(f"""SET client_min_messages = warning;
        DROP TABLE IF EXISTS cause_tweet, cause_planted;
        CREATE TABLE cause_tweet (label text, reason text, airline text, body text);
        \\copy cause_tweet FROM PROGRAM 'zcat {path}' WITH (FORMAT csv, HEADER, DELIMITER E'\\t', QUOTE E'\\b', NULL '\\N')
        ALTER TABLE cause_tweet ADD COLUMN id serial PRIMARY KEY;
        SELECT version FROM lstm_train('cause_tweet', 'body', 'label', model => 'cause_tweet');""")


def score(name, reasons, groups):
    inside = collections.defaultdict(collections.Counter)
    for reason, group in zip(reasons, groups):
        inside[group][reason] += 1
    purity = sum(counter.most_common(1)[0][1] for counter in inside.values()) / len(reasons)
    print(f"{name:36} NMI {normalized_mutual_info_score(reasons, groups):.3f}  purity {purity:.3f}", flush=True)


def groups(n_causes):
    """All on the same rows: negative by label and by the model, with a reason that says something."""
    rows = sql(f"""CREATE TEMP VIEW negative AS SELECT * FROM cause_tweet WHERE label = 'negative';
        SELECT t.reason, coalesce(c.cause, 0), regexp_replace(t.body, '\\s+', ' ', 'g')
          FROM lstm_causes('cause_tweet', 'negative', 'body', 'negative', {n_causes}, 'id') c JOIN cause_tweet t ON t.id::text = c.key_value ORDER BY t.id""")
    told = [i for i, row in enumerate(rows) if row[0] and not row[0].startswith("Can't")]
    reasons = [rows[i][0] for i in told]
    texts = [row[2] for row in rows]
    print(f"{len(rows)} tweets, {len(told)} with a reason, {n_causes} groups")
    score("lstm_causes", reasons, [rows[i][1] for i in told])
    tfidf = TfidfVectorizer(stop_words="english", min_df=3, max_df=0.5, sublinear_tf=True).fit_transform(texts)
    counts = CountVectorizer(stop_words="english", min_df=3, max_df=0.5).fit_transform(texts)
    for seed in (0, 1):
        found = KMeans(n_causes, n_init=3, random_state=seed).fit_predict(tfidf)
        score(f"TF-IDF, k-means, seed {seed}", reasons, found[told])
        found = LatentDirichletAllocation(n_causes, max_iter=20, random_state=seed).fit_transform(counts).argmax(axis=1)
        score(f"LDA, seed {seed}", reasons, found[told])


def random_splits(n):
    shares = ("0", "3", "8")
    found = sum(int(sql(f"""SELECT count(*) FROM lstm_root_causes('cause_tweet', 'cause_tweet', 'body', 'negative',
        'md5(id || ''{i}'') < ''{shares[i % 3]}f''', options => '{{"explain_rows": 100}}')""")[0][0]) > 0 for i in range(n))
    print(f"random splits with a finding: {found} of {n}", flush=True)


def planted():
    for share in (50, 10, 5, 2, 1):
        rank = sql(f"""SET client_min_messages = warning;
            DROP TABLE IF EXISTS cause_planted;
            CREATE TABLE cause_planted AS SELECT id, airline, body || CASE WHEN airline = 'United' AND label = 'negative'
                AND abs(hashint4(id)) % 100 < {share} THEN ' broken overhead bin' ELSE '' END AS body FROM cause_tweet;
            SELECT coalesce(min(n) FILTER (WHERE phrase = 'broken overhead bin')::text, 'not found') FROM (SELECT row_number() OVER () AS n, phrase
              FROM lstm_root_causes('cause_tweet', 'cause_planted', 'body', 'negative', $$airline = 'United'$$, key => 'id')) s""")[0][0]
        print(f"planted in {share} of 100 of the cohort's negative rows: rank {rank}", flush=True)
    sql("DROP TABLE cause_planted")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    load(os.path.abspath(os.path.join(sys.argv[1], "airline_tweets", "train.tsv.gz")))
    for n_groups in [int(sys.argv[2])] if len(sys.argv) > 2 else [9, 20]:
        groups(n_groups)
    random_splits(30)
    planted()
    sql("DROP TABLE cause_tweet; SELECT lstm_drop('cause_tweet')")

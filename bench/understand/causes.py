#!/usr/bin/python3
"""Do the causes that are found part rows as people did?  Is there one where there is none?

    causes.py DATA_DIRECTORY [groups] [random] [planted]

Called by run.sh.  Models learn from train.tsv.gz.

groups: a model learns a coarse label alone, as the three sentiments of airline_tweets.  The rows of both files that it gives one
label are put into groups by lstm_causes, and compared with a finer label, as negative_reason ("Can't Tell" left out), that nothing
has seen: normalized mutual information and purity on the rows of valid.tsv.gz.  Beside it TF-IDF with k-means and latent Dirichlet
allocation, which see the same rows and leave out English stop words.  Each with SEEDS seeds (default 3); medians, and between which
figures they lie.

random: 5, 20 or 50 of 100 rows fall into the cohort by chance, SPLITS times (default 20).  Counted are splits with a finding, and
findings; explain_rows is 0, so that no phrase is left out for saying nothing of the label.

planted: three words put at the end of some of the cohort's rows with the label; at which rank the phrase comes out.
"""
import collections
import os
import statistics
import sys

from sklearn.cluster import KMeans
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.metrics import normalized_mutual_info_score

from server import OPTIONS, load, sql, text_of

SEEDS = int(os.environ.get("SEEDS") or 3)
SPLITS = int(os.environ.get("SPLITS") or 20)

# set, what the model learns, its label, what parts the rows with it, numbers of groups
GROUPS = [("airline_tweets", "label", "negative", "negative_reason", (9, 20, 5, 30)),
          ("amazon_reviews", "label", "0", "domain", (4, 8)),
          ("clinc150", "domain", "banking", "label", (15, 30)),
          ("trec", "label", "ENTY", "fine_label", (11, 22))]

# set, text, what the model learns, its label, rows, a cohort
SETS = [("airline_tweets", "text", "label", "negative", 4000, "airline = 'United'"),
        ("it_tickets", "text", "label", "Hardware", 4000, "id % 5 = 0"),
        ("bug_reports", "summary", "lower(resolution)", "fixed", 0, "project = 'seamonkey'")]


def train(table, body, target):
    sql(f"""CREATE OR REPLACE VIEW cause_train AS SELECT id, {body} AS body, {target} AS label FROM {table} WHERE {target} <> '';
        SELECT version FROM lstm_train('cause_train', 'body', 'label', model => 'cause', options => '{OPTIONS}')""")


# ---- groups -----------------------------------------------------------------------

def score(labels, groups):
    inside = collections.defaultdict(collections.Counter)
    for label, group in zip(labels, groups):
        inside[group][label] += 1
    purity = sum(counter.most_common(1)[0][1] for counter in inside.values()) / len(labels)
    return normalized_mutual_info_score(labels, groups), purity


def ours(value, n_groups, seed):
    return [row[1] for row in sql(f"""SELECT key_value, coalesce(cause, 0)
        FROM lstm_causes('cause', 'cause_all', 'body', '{value}', {n_groups}, 'key', {seed}) ORDER BY key_value COLLATE "C" """)]


def figures(found):
    nmi, purity = zip(*found)
    return f"{statistics.median(nmi):.3f} ({min(nmi):.3f} to {max(nmi):.3f}), {statistics.median(purity):.3f}"


def compare_groups(folder, name, coarse, value, fine, numbers):
    for part in ("train", "valid"):
        load("cause_" + part + "_rows", f"{folder}/{name}", part)
    sql("DROP VIEW IF EXISTS cause_train")
    train("cause_train_rows", "text", f'"{coarse}"')
    sql(f"""DROP TABLE IF EXISTS cause_all;
        CREATE TABLE cause_all AS SELECT 't' || id AS key, text AS body, NULL AS fine FROM cause_train_rows
            UNION ALL SELECT 'v' || id, text, "{fine}" FROM cause_valid_rows""")
    keys = [row[0] for row in sql(f"SELECT key_value FROM lstm_causes('cause', 'cause_all', 'body', '{value}', 2, 'key') ORDER BY key_value COLLATE \"C\"")]
    rows = {row[0]: row[1:] for row in sql(f"SELECT key, coalesce(fine, ''), {text_of('body')} FROM cause_all")}
    told = [i for i, key in enumerate(keys) if rows[key][0] and not rows[key][0].startswith("Can't")]
    labels = [rows[keys[i]][0] for i in told]
    texts = [rows[key][1] for key in keys]
    tfidf = TfidfVectorizer(stop_words="english", min_df=3, max_df=0.5, sublinear_tf=True).fit_transform(texts)
    counts = CountVectorizer(stop_words="english", min_df=3, max_df=0.5).fit_transform(texts)
    for n in numbers:
        found = collections.defaultdict(list)
        for seed in range(1, SEEDS + 1):
            for method, groups in (("ours", ours(value, n, seed)),
                                   ("k-means", KMeans(n, n_init=3, random_state=seed).fit_predict(tfidf)),
                                   ("LDA", LatentDirichletAllocation(n, max_iter=20, random_state=seed).fit_transform(counts).argmax(axis=1))):
                found[method].append(score(labels, [groups[i] for i in told]))
        print(f"| {name}, {value} | {len(keys)} | {len(told)} | {len(set(labels))} | {n} | " +
              " | ".join(figures(found[method]) for method in ("ours", "k-means", "LDA")) + " |", flush=True)
    sql("DROP VIEW cause_train; DROP TABLE cause_train_rows, cause_valid_rows, cause_all; SELECT lstm_drop('cause')")


# ---- chance, and what is planted -----------------------------------------------------

def random_splits(name, value, what):
    found = [int(sql(f"""SELECT count(*) FROM lstm_root_causes('cause', 'cause_rows', 'body', '{value}',
        'mod(abs(hashtextextended({what}::text, {seed})), 100) < {(5, 20, 50)[seed % 3]}', options => '{{"explain_rows": 0}}')""")[0][0]) for seed in range(SPLITS)]
    n_rows = sql("SELECT count(*) FROM cause_rows")[0][0]
    print(f"| {name}, {value} | {n_rows} | {what} | {SPLITS} | {sum(n > 0 for n in found)} | {sum(found)} |", flush=True)


def planted(name, value, cohort):
    for words in ("broken overhead bin", "zorble quix frand", "could not do"):
        ranks = []
        for share in (50, 20, 10, 5, 2):
            sql(f"""CREATE OR REPLACE VIEW cause_planted AS SELECT id, is_cohort, body || CASE WHEN is_cohort AND lower(label) = lower('{value}')
                AND mod(abs(hashint4(id)), 100) < {share} THEN ' {words}' ELSE '' END AS body FROM cause_rows""")
            ranks.append(sql(f"""SELECT coalesce(min(n) FILTER (WHERE phrase ~ '{words}' OR '{words}' ~ phrase)::text, '-') FROM (SELECT row_number() OVER () AS n, phrase
                FROM lstm_root_causes('cause', 'cause_planted', 'body', '{value}', 'is_cohort', key => 'id')) s""")[0][0])
        print(f"| {name}, {value} | {cohort} | {words} | " + " | ".join(ranks) + " |", flush=True)


def chance_and_planted(folder, parts):
    lines = {"random": "\nFindings where chance alone makes the cohort; \"by\" what rows are drawn: equal texts stay together if by their text.\n\n"
                       "| set, label | rows | by | splits | with a finding | findings |\n|---|---|---|---|---|---|",
             "planted": "\nRank of a phrase put into so many of 100 rows of the cohort with the label.\n\n"
                        "| set, label | cohort | phrase | 50 | 20 | 10 | 5 | 2 |\n|---|---|---|---|---|---|---|---|"}
    for part in parts:
        print(lines[part], flush=True)
        for name, body, target, value, limit, cohort in SETS:
            load("cause_raw", f"{folder}/{name}", "train", limit)
            sql(f"""DROP VIEW IF EXISTS cause_train, cause_planted; DROP TABLE IF EXISTS cause_rows;
                CREATE TABLE cause_rows AS SELECT id, {body} AS body, {target} AS label, {cohort} AS is_cohort FROM cause_raw WHERE {target} <> ''""")
            train("cause_rows", "body", "label")
            if part == "random":
                random_splits(name, value, "id")
                random_splits(name, value, "body")
            else:
                planted(name, value, cohort)
            sql("DROP VIEW IF EXISTS cause_train, cause_planted; DROP TABLE cause_raw, cause_rows; SELECT lstm_drop('cause')")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    parts = sys.argv[2:] or ["groups", "random", "planted"]
    if "groups" in parts:
        print("\nGroups of rows with one label against a finer label, on valid: NMI (between seeds), purity.\n")
        print("| set, label | rows | scored | finer labels | groups | lstm_causes | TF-IDF, k-means | LDA |")
        print("|---|---|---|---|---|---|---|---|")
        for given in GROUPS:
            compare_groups(sys.argv[1], *given)
    chance_and_planted(sys.argv[1], [part for part in ("random", "planted") if part in parts])


if __name__ == "__main__":
    main()

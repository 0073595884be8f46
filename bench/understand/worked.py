#!/usr/bin/python3
"""The worked example of doc/causes.md on real tables.

    worked.py DATA_DIRECTORY

Called by run.sh.  Models learn root causes from train.tsv.gz and abstain where fewer of such answers than a given share would be
right; then they tag valid.tsv.gz, whose labels are compared.  And what drives a label in the rows of one product, against
those of the others.
"""
import sys

from server import OPTIONS, load, sql

# set, text, what is tagged, the precision that thresholds are to promise: no threshold promises 0.8 for bug_reports
TAGGED = [("airline_tweets", "text", "negative_reason", 0.8), ("it_tickets", "text", "label", 0.95), ("bug_reports", "summary", "lower(resolution)", 0.7)]

# set, text, what the model learns, its label, what tells products apart
DRIVEN = [("airline_tweets", "text", "label", "negative", "airline"),
          ("bug_reports", "summary", "lower(resolution)", "fixed", "project"),
          ("it_tickets", "text", "label", "Purchase", None)]


def prepare(folder, name, body, target, product=None):
    for part in ("train", "valid"):
        load("worked_raw", f"{folder}/{name}", part)
        sql(f"""DROP TABLE IF EXISTS worked_{part} CASCADE;
            CREATE TABLE worked_{part} AS SELECT id, {body} AS body, {target} AS label, {product or 'NULL::text'} AS product FROM worked_raw WHERE {target} <> ''""")
    sql(f"SELECT version FROM lstm_train('worked_train', 'body', 'label', model => 'worked', options => '{OPTIONS}')")


def forget():
    sql("DROP TABLE worked_raw, worked_train, worked_valid; SELECT lstm_drop('worked')")


def tag(folder, name, body, target, precision):
    prepare(folder, name, body, target)
    everything = sql("SELECT count(*), round(avg((lstm_predict('worked', body) = label)::int), 3) FROM worked_valid")[0]
    sql(f"SELECT count(*) FROM lstm_threshold('worked', min_precision => {precision})")
    answered = sql("""SELECT round(avg((NOT (a).abstained)::int), 3), round(avg(((a).label = label)::int) FILTER (WHERE NOT (a).abstained), 3)
        FROM (SELECT label, lstm_classify('worked', body) AS a FROM worked_valid OFFSET 0) s""")[0]
    n_rows, n_labels = sql("SELECT count(*), count(DISTINCT label) FROM worked_train")[0]
    print(f"| {name}, {target} | {n_rows} | {n_labels} | {everything[0]} | {everything[1]} | {precision} | {answered[0]} | {answered[1]} |", flush=True)
    forget()


def drive(folder, name, body, target, value, product):
    prepare(folder, name, body, target, product)
    for cohort, condition in [(row[0], f"product = '{row[0]}'") for row in sql("SELECT DISTINCT product FROM worked_train ORDER BY 1")] if product else [("all rows", None)]:
        given = f", cohort => $${condition}$$" if condition else ""
        found = sql(f"""SELECT phrase, round(lift::numeric, 1), support FROM lstm_root_causes('worked', 'worked_train', 'body', '{value}'{given}, key => 'id', options => '{{"limit": 5}}')""")
        print(f"| {name}, {value} | {cohort} | " + "; ".join(f"{phrase} ({lift}, {support})" for phrase, lift, support in found) + " |", flush=True)
    forget()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print("\nRows of valid tagged by models of train, which abstain where they are not sure.\n")
    print("| set, tagged | rows learned | labels | rows tagged | right, all answered | precision asked for | answered | right of these |\n|---|---|---|---|---|---|---|---|")
    for given in TAGGED:
        tag(sys.argv[1], *given)
    print("\nWhat drives a label in rows of one product against the others, the five surest (lift, rows).\n\n| set, label | product | phrases |\n|---|---|---|")
    for given in DRIVEN:
        drive(sys.argv[1], *given)

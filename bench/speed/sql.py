"""Answers in SQL: plain SELECT, lstm_predict_batch, parallel query, one row, a new connection.

Called by run.py in a server that run.sh has started; psql finds it by its environment.  What a query takes
is the execution time that EXPLAIN (ANALYZE, TIMING OFF) shows, from texts in a table to answers.
"""
import json
import os
import re
import statistics
import subprocess
import sys

import numpy as np

import answer
import side
import texts
from side import ROUNDS, WORK, Table

PLAIN = "SELECT id, lstm_predict('m', body) FROM t"
BATCH = "SELECT * FROM lstm_predict_batch('m', 'SELECT id, body FROM t')"
PARALLEL = ("SET max_parallel_workers_per_gather = 1; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; "
            "SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = on; ")
SERIAL = "SET max_parallel_workers_per_gather = 0; "
N_ONE = 2000


def sql(text, given=None):
    command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"]
    out = subprocess.run(command + (["-c", text] if given is not None else []), input=given if given is not None else text,
                         capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(out.stderr)
    return out.stdout.strip()


def has(what):
    return sql("SELECT (%s) IS NOT NULL" % what) == "t"


def seconds(query, settings=""):
    """Of the second of two runs in one session: the model is in its cache."""
    explain = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) "
    warm = "DO $$BEGIN PERFORM lstm_predict('m', 'warm'); END$$; "
    found = json.loads(sql(settings + warm + explain + query))[0]
    return found["Execution Time"] / 1e3, json.dumps(found)


def load(name, H):
    """Table t with the texts of the section "answer", model m; answers the same case as there."""
    case = answer.make_case(name, H)
    model, lines = case[:2]
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (id serial PRIMARY KEY, body text)")
    with open(lines, encoding="utf-8") as f:
        sql("COPY t (body) FROM STDIN WITH (FORMAT csv, DELIMITER E'\\t', QUOTE E'\\b')", f.read())
    sql("VACUUM ANALYZE t")
    if has("(SELECT 1 FROM lstm_models WHERE model = 'm')"):
        sql("SELECT lstm_drop('m')")
    with open(model, "rb") as f:
        sql("SELECT lstm_import('m', decode('%s', 'hex'))" % f.read().hex())
    return case


def check_same(ways, expected):
    """Every way gives every row the same answer, and the label that is the most likely one."""
    digest = {sql(settings + "SELECT md5(string_agg(id || ':' || a, ',' ORDER BY id)) FROM (%s) s (id, a)" % query)
              for query, settings in ways.values()}
    if len(digest) != 1:
        sys.exit("the ways to ask in SQL differ in their answers")
    labels = sql("SELECT string_agg(lstm_predict, ',' ORDER BY id) FROM (%s) s" % PLAIN).split(",")
    names = sorted(set(labels))
    sure = np.abs(expected[:, 0] - expected[:, 1]) > 1e-3
    picked = np.array([names.index(label) for label in labels])
    if len(names) == 2 and np.any(picked[sure] != np.argmax(expected, 1)[sure]):
        sys.exit("SQL's answers are not those of the same model outside")


def ways_to_ask(cores):
    ways = {"one by one": (PLAIN, SERIAL)}
    if has("current_setting('pg_lstm.enable_batch', true)"):
        ways["one by one"] = (PLAIN, SERIAL + "SET pg_lstm.enable_batch = off; ")
        ways["plain"] = (PLAIN, SERIAL + "SET pg_lstm.enable_batch = on; ")
    if has("to_regprocedure('lstm_predict_batch(text, text)')"):
        ways["predict_batch"] = (BATCH.replace("SELECT *", "SELECT key::int, answer"), SERIAL)
    if cores > 1:
        ways["plain, parallel"] = (PLAIN, PARALLEL)
    return ways


def many_rows(out, cores_wanted, onnx):
    out("Rows of a table; ratios to ONNX Runtime on one core, bucketed, whose time begins with tokens in batches.")
    out("")
    table = Table(out, "set", "H", "way", "rows/s", "tokens/s", "x ONNX", "x plain")
    for name, H in answer.NETS:
        case = load(name, H)
        n, n_tokens = len(case[2]), sum(len(t) for t in case[2])
        checked = os.path.join(WORK, "ours.out")
        side.output_of([answer.OURS, "check", case[0], case[1], checked])
        expected = np.fromfile(checked, np.float32).reshape(n, -1)
        ways = ways_to_ask(max(cores_wanted))
        check_same(ways, expected)
        peer = answer.Peer("ONNX Runtime", onnx, case[4], case[3]["bucketed"], "padded", 2, n, expected) if onnx else None
        took = {way: [] for way in list(ways) + ["onnx"]}
        for _ in range(ROUNDS):
            for way, (query, settings) in ways.items():
                took[way].append(seconds(query, settings)[0])
            if peer:
                took["onnx"].append(peer.seconds())
        plain = "plain" if "plain" in ways else "one by one"
        for way in ways:
            median = statistics.median(took[way])
            ratio = statistics.median(b / a for a, b in zip(took[way], took["onnx"])) if peer else None
            table.row(name, str(H), way, "%.0f" % (n / median), "%.0fk" % (n_tokens / median / 1e3),
                      "%.2f" % ratio if peer else "-",
                      "%.2f" % statistics.median(b / a for a, b in zip(took[way], took[plain])))
        if "plain" not in ways:
            out("(no batch node in this build)")
        elif "Custom Scan" not in seconds(*ways["plain"])[1]:
            out("(the plan of the plain SELECT has no batch node)")


ONE_ROW = """
DO $$
DECLARE
	texts text[] := (SELECT array_agg(body) FROM one);
	started timestamptz;
	took float8[] := '{}';
	dummy text;
BEGIN
	FOR i IN 1 .. %d LOOP
		started := clock_timestamp();
		dummy := %s;
		took := took || extract(epoch FROM clock_timestamp() - started)::float8;
	END LOOP;
	RAISE NOTICE 'median %%', (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM unnest(took) x);
END$$"""


def one_median(expression):
    """Microseconds of an expression over texts[], inside the server."""
    out = subprocess.run(["psql", "-XqAt", "-c", ONE_ROW % (N_ONE, expression)], capture_output=True, text=True)
    return float(re.search(r"median ([0-9.e-]+)", out.stderr).group(1)) * 1e6


def first_answers(statement):
    """Milliseconds of a session's first statement and of its second."""
    found = []
    for _ in range(7):
        out = subprocess.run(["psql", "-XqAt"], input="\\timing on\n%s;\n%s;\n" % (statement, statement),
                             capture_output=True, text=True).stdout
        found.append([float(x) for x in re.findall(r"Time: ([0-9.]+) ms", out)])
    return [statistics.median(x) for x in zip(*found)]


def one_row(out):
    out("")
    out("One row: microseconds of a call in PL/pgSQL, less those of length(); milliseconds of a new session's first "
        "and second statement.")
    out("")
    table = Table(out, "H", "tokens", "one row, us", "first, ms", "second, ms", "first SELECT 1, ms")
    for H in (128, 256):
        load("sst2", H)
        words = " ".join(text for _, text in answer.some_texts("sst2")[:4000]).split()
        rows, at = [], 0
        while len(rows) < 50 and at + 20 <= len(words):
            rows.append(" ".join(words[at:at + 17]))
            at += 17
        sql("DROP TABLE IF EXISTS one; CREATE TABLE one (body text)")
        sql("COPY one FROM STDIN", "\n".join(r.replace("\\", "") for r in rows) + "\n")
        n_tokens = sql("SELECT round(avg((lstm_classify('m', body)).tokens_used), 1) FROM one")
        call = one_median("lstm_predict('m', texts[1 + i % 50])") - one_median("length(texts[1 + i % 50])")
        first = first_answers("SELECT lstm_predict('m', 'one of many words in a row')")
        nothing = first_answers("SELECT 1")
        table.row(str(H), n_tokens, "%.1f" % call, "%.2f" % first[0], "%.2f" % first[1], "%.2f" % nothing[0])


def main(out, cores_wanted):
    onnx = answer.onnx_processes([1]).get(1)
    out("")
    out("## Answers in SQL, E = 100")
    out("")
    out(sql("SELECT split_part(version(), ' on ', 1)"))
    out("")
    many_rows(out, cores_wanted, onnx)
    one_row(out)
    if onnx:
        onnx.close()

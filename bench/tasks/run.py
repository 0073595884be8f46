#!/usr/bin/python3
"""Train every task in SQL, measure it on valid, print one row a set.

Called by run.sh, which has started a server; psql finds it by its environment.
tasks.txt says what is run; a function below says how, one for each kind of row.
"""
import hashlib
import json
import os
import subprocess
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.environ["DATA"]
ROOT = os.environ["here"]
KEPT = os.environ["KEPT"]
LIMIT = int(os.environ.get("LIMIT") or 0)
SEED = int(os.environ.get("SEED") or 1)
OPTIONS = json.loads(os.environ.get("OPTIONS") or "{}")
WARM_ROWS = int(os.environ.get("WARM_ROWS") or 15000)
WARM_OPTIONS = {"hidden": 64, "embedding": 64, "epochs": 1, "samples": 500}
N_FOLDS = 5
N_ORIGINS = 1000        # forecasts of a series at most, evenly spaced over valid
N_PAST = 512            # steps given to a forecast


# ---- the server ---------------------------------------------------------------

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


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def array(numbers):
    """A PostgreSQL array literal of a 1-D or 2-D array."""
    if np.ndim(numbers) == 1:
        return "{" + ",".join("%.9g" % x for x in numbers) + "}"
    return "{" + ",".join(array(step) for step in numbers) + "}"


def load(name, part):
    """One file into a table, its columns named as in the file."""
    table = "%s_%s" % (name, part)
    path = os.path.join(DATA, name, part + ".tsv.gz")
    if sql("SELECT to_regclass('%s') IS NULL" % table) == "t":
        subprocess.run(["sh", os.path.join(ROOT, "scripts", "load_set.sh"), path, table], check=True)
    return table


def has_part(name, part):
    return os.path.exists(os.path.join(DATA, name, part + ".tsv.gz"))


def view(name, query, limit=None):
    """A view in the file's order, of at most LIMIT rows."""
    limit = limit or LIMIT
    sql('DROP VIEW IF EXISTS "v_%s" CASCADE; CREATE VIEW "v_%s" AS %s%s'
        % (name, name, query, " LIMIT %d" % limit if limit else ""))
    return "v_" + name


def train(model, relation, source, target=None, task=None, options=None):
    """lstm_train; answers its row, with the seconds it took."""
    options = dict(options or {}, seed=SEED)
    options.update(OPTIONS)
    if options.get("vectors") == "glove" and sql("SELECT to_regclass('glove') IS NULL") == "t":
        subprocess.run(["sh", os.path.join(ROOT, "scripts", "load_set.sh"),
                        os.path.join(DATA, "glove_100d", "vectors.tsv.gz"), "glove"], check=True)
    start = time.time()
    out = json.loads(sql("SELECT to_json(t) FROM lstm_train(%s, %s, %s, %s, %s, %s) t" % (
        quoted(relation), quoted(source), quoted(target) if target else "NULL", quoted(model),
        quoted(task) if task else "NULL", quoted(json.dumps(options)))))
    out["seconds"] = time.time() - start
    return out


def evaluate(model, relation, source, target=None):
    out = json.loads(sql("SELECT metrics || jsonb_build_object('rows', rows) FROM lstm_evaluate(%s, %s, %s, %s)" % (
        quoted(model), quoted(relation), quoted(source), quoted(target) if target else "NULL")))
    return out


def drop(*models):
    for model in models:
        sql("SELECT lstm_drop(model) FROM lstm_models WHERE model = %s" % quoted(model))


class Result:
    """A row of the table."""

    def __init__(self, score, trainings, beside=""):
        self.score = score
        self.beside = beside
        self.rows = trainings[0]["rows"]
        self.seconds = sum(t["seconds"] for t in trainings)
        self.peak = max(t["metrics"].get("peak_bytes", 0) for t in trainings)


def shown(metric, value):
    name = {"bleu": "BLEU", "f1": "F1", "cider": "CIDEr"}.get(metric, metric.replace("_", " "))
    if value is None:
        return "%s -" % name
    return "%s %.*f" % (name, 1 if metric in ("bleu", "perplexity") else 3, value)


# ---- one training, one evaluation -----------------------------------------------

# How a column of a file becomes an input or a target.
EXPRESSIONS = {
    "tag": ("string_to_array({}, ' ')", "string_to_array({}, ' ')"),
    "caption": ("ARRAY(SELECT unnest({}))", "{}"),
    "classify": ("ARRAY(SELECT unnest({}))", "{}"),
}


def plain(row, task=None):
    """Train on train, evaluate on valid, show one metric."""
    expressions = EXPRESSIONS.get(row.kind, ("{}", "{}"))
    part = {}
    for name in ("train", "valid"):
        part[name] = view("%s_%s" % (row.name, name), "SELECT %s AS input, %s AS target FROM %s" % (
            expressions[0].format('"%s"' % row.source), expressions[1].format('"%s"' % row.target), load(row.set, name)))
    out = train(row.name, part["train"], "input", "target", task, row.options)
    got = evaluate(row.name, part["valid"], "input", "target")
    drop(row.name)
    return Result(shown(row.metric, got.get(row.metric)), [out])


def tag(row):
    return plain(row, "tag")


def translate(row):
    return plain(row, "translate")


def caption(row):
    return plain(row, "caption")


def classify(row):
    return plain(row, "classify")


def language(row):
    """Rows are lines of one text; words are given, or the text is read as it is."""
    part = {}
    for name in ("train", "valid"):
        columns = "string_to_array(text, ' ') AS words" if row.source == "words" else "text"
        part[name] = view("%s_%s" % (row.name, name), "SELECT %s, row_number() OVER (ORDER BY ctid)::integer AS line_no FROM %s"
                          % (columns, load(row.set, name)))
    out = train(row.name, part["train"], row.source, None, "language", row.options)
    got = evaluate(row.name, part["valid"], row.source)
    drop(row.name)
    return Result(shown(row.metric, got.get(row.metric)), [out])


def coco(row):
    """Several captions an image.  Baseline: of the nearest training vector (by Euclid's
    distance, the most frequent caption, the first one where all occur once), scored
    by bench/texts.c."""
    part, images = {}, {}
    for name in ("train", "valid"):
        captions, features = load(row.set, name), load(row.set, "features_" + name)
        some = "SELECT image_id FROM %s ORDER BY ctid%s" % (features, " LIMIT %d" % LIMIT if LIMIT else "")
        query = "SELECT image_id, features AS input, caption AS target FROM %s JOIN %s USING (image_id) WHERE image_id IN (%s)"
        sql('DROP VIEW IF EXISTS "v_%s_%s"; CREATE VIEW "v_%s_%s" AS %s'
            % (row.name, name, row.name, name, query % (captions, features, some)))
        part[name] = "v_%s_%s" % (row.name, name)
        images[name] = rows_of("SELECT array_to_string(input, ' '), string_agg(target, E'\\t' ORDER BY n) FROM "
                               "(SELECT *, row_number() OVER () AS n FROM %s) a GROUP BY image_id, input" % part[name])
    out = train(row.name, part["train"], "input", "target", "caption", row.options)
    got = evaluate(row.name, part["valid"], "input", "target")
    drop(row.name)

    known = np.array([[float(x) for x in image[0].split()] for image in images["train"]])
    lines = []
    for image in images["valid"]:
        distance = ((known - np.array([float(x) for x in image[0].split()])) ** 2).sum(axis=1)
        choices = images["train"][int(distance.argmin())][1:]
        lines.append("\t".join([max(choices, key=choices.count)] + image[1:]))
    base = json.loads(subprocess.run([os.path.join(ROOT, "build", "bench", "bin", "texts")], input="\n".join(lines) + "\n",
                                     capture_output=True, text=True, check=True).stdout)
    return Result("BLEU %.1f, CIDEr %.3f" % (got["bleu"], got["cider"]), [out],
                  "nearest image: BLEU %.1f, CIDEr %.3f" % (base["bleu"], base["cider"]))


def warm(row):
    """500 labelled rows alone, and started from a language model of texts without label.  What
    such a start takes over is what the texts are about, so that a small model does."""
    texts = view(row.name + "_texts", "SELECT text FROM %s" % load("imdb_unlabelled", "train"), min(WARM_ROWS, LIMIT or WARM_ROWS))
    few = view(row.name + "_few", "SELECT text, label FROM %s ORDER BY ctid" % load(row.set, "train"), min(500, LIMIT or 500))
    valid = view(row.name + "_valid", "SELECT text, label FROM %s ORDER BY ctid" % load(row.set, "valid"))
    trainings = [train(row.name + "_texts", texts, "text", None, "language", WARM_OPTIONS)]
    score = {}
    for name, options in (("cold", {}), ("cold, LSTM alone", {"bag": False}),
                          ("warm", {"warm_start": row.name + "_texts"}),
                          ("warm, LSTM alone", {"warm_start": row.name + "_texts", "bag": False})):
        trainings.append(train(row.name, few, "text", "label", None, options))
        score[name] = evaluate(row.name, valid, "text", "label")["accuracy"]
        drop(row.name)
    drop(row.name + "_texts")
    result = Result("accuracy " + ", ".join("%s %.3f" % (n, score[n]) for n in score if n.startswith("warm")), trainings,
                    ", ".join("%s %.3f" % (n, score[n]) for n in score if n.startswith("cold")))
    result.rows = trainings[1]["rows"]
    return result


# ---- series with a label -----------------------------------------------------------

def dtw_distances(series):
    """Dynamic time warping without a window between all pairs of equally long series (n, steps, channels)."""
    n, T = series.shape[:2]
    a, b = np.triu_indices(n, 1)
    before = np.full((len(a), T + 1), np.inf)
    before[:, 0] = 0
    for i in range(T):
        cost = ((series[a, i][:, None, :] - series[b]) ** 2).sum(axis=2)
        row = np.full((len(a), T + 1), np.inf)
        for j in range(T):
            row[:, j + 1] = cost[:, j] + np.minimum(np.minimum(before[:, j], before[:, j + 1]), row[:, j])
        before = row
    distance = np.full((n, n), np.inf)
    distance[a, b] = distance[b, a] = before[:, T]
    return distance


def nearest_neighbor(rows):
    """Accuracy of 1-NN DTW on the same folds, or None where it would take long."""
    if len(rows) >= 100:
        return None
    series = [np.array(json.loads(r[1].replace("{", "[").replace("}", "]"))) for r in rows]
    if len({s.shape for s in series}) > 1:
        return None
    series = np.array([s if s.ndim == 2 else s[:, None] for s in series])
    distance = dtw_distances(series)
    fold = np.array([int(r[0]) for r in rows])
    distance[fold[:, None] == fold[None, :]] = np.inf
    label = [r[2] for r in rows]
    return np.mean([label[i] == label[int(distance[i].argmin())] for i in range(len(rows))])


def series(row):
    """On valid, or in folds of train, row i in fold i mod 5, which keeps the labels' shares."""
    numbered = 'SELECT "%s" AS input, "%s" AS target, (row_number() OVER (ORDER BY "%s", ctid) %% %d)::integer AS fold FROM %s'
    part = view(row.name + "_train", numbered % (row.source, row.target, row.target, N_FOLDS, load(row.set, "train")))
    if has_part(row.set, "valid"):
        valid = view(row.name + "_valid", numbered % (row.source, row.target, row.target, N_FOLDS, load(row.set, "valid")))
        out = train(row.name, part, "input", "target", None, row.options)
        got = evaluate(row.name, valid, "input", "target")
        drop(row.name)
        return Result("accuracy %.3f of %d rows" % (got["accuracy"], got["rows"]), [out])
    trainings, n_right, n_rows = [], 0, 0
    for fold in range(N_FOLDS):
        rest = view(row.name + "_fold", "SELECT input, target FROM %s WHERE fold = %d" % (part, fold))
        trainings.append(train(row.name, part, "input", "target", None, dict(row.options, where="fold <> %d" % fold)))
        got = evaluate(row.name, rest, "input", "target")
        n_right += got["accuracy"] * got["rows"]
        n_rows += got["rows"]
        drop(row.name)
    peer = nearest_neighbor(rows_of("SELECT fold, input, target FROM %s" % part))
    result = Result("accuracy %.3f in %d folds" % (n_right / n_rows, N_FOLDS), trainings,
                    "1-NN DTW %.3f" % peer if peer is not None else "")
    result.rows = n_rows
    return result


# ---- forecasts -----------------------------------------------------------------------

def read_series(name, columns):
    """(steps of train, all steps x channels); a gap takes the value before it."""
    values, n_train = [], 0
    for part in ("train", "valid"):
        got = rows_of("SELECT %s FROM %s ORDER BY ctid" % (", ".join('"%s"' % c for c in columns), load(name, part)))
        values += got[-LIMIT:] if LIMIT and part == "train" else got[:LIMIT] if LIMIT else got
        n_train = n_train or len(values)
    values = np.array([[float(x) if x else np.nan for x in v] for v in values])
    for c in range(values.shape[1]):
        if np.isnan(values[0, c]):
            values[0, c] = values[~np.isnan(values[:, c]), c][0]
        for t in np.flatnonzero(np.isnan(values[:, c])):
            values[t, c] = values[t - 1, c]
    return n_train, values


def autoregression(values, n_train, origins, horizon, n_lags, n_targets):
    """Least squares of the next `horizon` steps on the last n_lags (all channels) and a constant."""
    flat = lambda t: values[t - n_lags:t].ravel()
    starts = np.arange(n_lags, n_train - horizon + 1)
    starts = starts[::max(1, len(starts) // 8000)]
    X = np.array([np.append(flat(t), 1) for t in starts])
    Y = np.array([values[t:t + horizon, :n_targets].ravel() for t in starts])
    W = np.linalg.lstsq(X, Y, rcond=1e-8)[0]
    return np.array([(np.append(flat(t), 1) @ W).reshape(horizon, n_targets) for t in origins])


def answers(model, values, origins, horizon):
    """(origins, horizon, channels, 3) from lstm_forecast; each origin sees what is before it."""
    lines = []
    for t in origins:
        past = values[max(0, t - N_PAST):t]
        lines.append("%d\t%s\n" % (t, array(past[:, 0] if past.shape[1] == 1 else past)))
    sql("DROP TABLE IF EXISTS forecast_past; CREATE TABLE forecast_past (origin integer, past float8[])")
    sql("COPY forecast_past FROM STDIN", "".join(lines))
    out = rows_of("SELECT low, value, high FROM forecast_past, lstm_forecast(%s, past, %d) ORDER BY origin, step, channel"
                  % (quoted(model), horizon))
    return np.array(out, dtype=float).reshape(len(origins), horizon, values.shape[1], 3)


def forecast(row):
    """Train on train; every step of valid (at most N_ORIGINS of them) is an origin.  Beside
    it the naive forecasts and the linear autoregression whose window is best on valid.
    mae: of the first channel in its own units; z: all channels standardized by train."""
    season, horizon = int(row.season), row.options["horizon"]
    n_train, values = read_series(row.set, row.source.split(","))
    if row.metric == "z":
        values = (values - values[:n_train].mean(axis=0)) / values[:n_train].std(axis=0)
    n_judged = values.shape[1] if row.metric == "z" else 1
    origins = np.arange(n_train, len(values) - horizon + 1)
    origins = origins[::-(-len(origins) // N_ORIGINS)]

    sql("DROP TABLE IF EXISTS forecast_train; CREATE TABLE forecast_train (past float8[])")
    sql("COPY forecast_train FROM STDIN", array(values[:n_train, 0] if values.shape[1] == 1 else values[:n_train]) + "\n")
    out = train(row.name, "forecast_train", "past", None, "forecast", row.options)
    got = answers(row.name, values, origins, horizon)[:, :, :n_judged]
    drop(row.name)

    actual = np.array([values[t:t + horizon, :n_judged] for t in origins])
    naive = np.array([[values[t - season + h % season, :n_judged] if t >= season else values[t - 1, :n_judged]
                       for h in range(horizon)] for t in origins])
    mae = lambda x: np.abs(x - actual).mean()
    choices = {w for w in (horizon, 2 * horizon, 13, 24, 30, 48, 60, 96, season, 2 * season)
               if w * values.shape[1] <= 700 and 3 * w < n_train - horizon}
    linear = {w: mae(autoregression(values, n_train, origins, horizon, w, n_judged)) for w in sorted(choices)}
    best = min(linear, key=linear.get)
    inside = np.mean((actual >= got[..., 0]) & (actual <= got[..., 2]))
    score = "MAE %.4g, %.0f %% in the band" % (mae(got[..., 1]), 100 * inside)
    if row.metric == "z":
        score = "MSE %.3f, " % ((got[..., 1] - actual) ** 2).mean() + score
    result = Result(score, [out], "MAE naive %.4g, linear %.4g (%d steps)" % (mae(naive), linear[best], best))
    result.rows = n_train
    return result


# ---- anomalies -----------------------------------------------------------------------

def best_points(score, truth):
    """Precision, recall, F1 over points at the threshold with the best F1."""
    order = np.argsort(-score, kind="stable")
    right = np.cumsum(truth[order])
    precision, recall = right / np.arange(1, len(order) + 1), right / max(1, truth.sum())
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(f1.argmax())
    return precision[best], recall[best], f1[best]


def runs(flags):
    """[first, behind last) of each run of ones."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(int), [0]))))
    return list(zip(edges[::2], edges[1::2]))


def best_alarms(parts):
    """The same over alarms (runs above the threshold) and labelled windows with an alarm."""
    best = (0.0, 0.0, 0.0)
    for threshold in np.quantile(np.concatenate([s for s, _ in parts]), np.linspace(0.8, 0.9995, 200)):
        n_alarms = n_right = n_windows = n_found = 0
        for score, truth in parts:
            alarms, windows = runs(score > threshold), runs(truth)
            n_alarms += len(alarms)
            n_right += sum(truth[a:b].any() for a, b in alarms)
            n_windows += len(windows)
            n_found += sum((score[a:b] > threshold).any() for a, b in windows)
        precision, recall = n_right / max(1, n_alarms), n_found / max(1, n_windows)
        f1 = 2 * precision * recall / max(precision + recall, 1e-12)
        best = max(best, (f1, precision, recall))
    return best[1], best[2], best[0]


def nab(row):
    """One model of the first 15 % of every series, each standardized by that part.  Score of a
    step in the rest: |error| of the forecast one step ahead, mean of 8 steps, over its 0.9
    quantile in the first part; one threshold for all series, the best one on them."""
    window = row.options["window"]
    names = [r[0] for r in rows_of("SELECT series FROM %s GROUP BY 1 ORDER BY min(ctid)" % load(row.set, "train"))]
    kept, lines = [], []
    for name in names[:LIMIT or None]:
        got = np.array(rows_of("SELECT value, in_anomaly_window FROM %s_train WHERE series = %s ORDER BY ctid"
                               % (row.set, quoted(name))), dtype=float)
        n_fit = len(got) * 15 // 100
        if n_fit < 2 * window:
            continue
        deviation = got[:n_fit, 0].std()
        kept.append((n_fit, (got[:, 0] - got[:n_fit, 0].mean()) / (deviation if deviation > 0 else 1), got[:, 1] > 0))
        lines.append(array(kept[-1][1][:n_fit]) + "\n")
    sql("DROP TABLE IF EXISTS nab_fit; CREATE TABLE nab_fit (past float8[])")
    sql("COPY nab_fit FROM STDIN", "".join(lines))
    out = train(row.name, "nab_fit", "past", None, "forecast", row.options)
    parts = []
    sql("DROP TABLE IF EXISTS nab_past; CREATE TABLE nab_past (step integer, past float8[])")
    for n_fit, values, truth in kept:
        sql("TRUNCATE nab_past")
        sql("COPY nab_past FROM STDIN", "".join("%d\t%s\n" % (t, array(values[t - window:t])) for t in range(window, len(values))))
        value = np.array(rows_of("SELECT value FROM nab_past, lstm_forecast(%s, past, 1) ORDER BY nab_past.step" % quoted(row.name)),
                         dtype=float)[:, 0]
        error = np.concatenate((np.zeros(window), np.abs(value - values[window:])))
        error = np.convolve(error, np.ones(8) / 8)[:len(error)]
        score = error / max(np.quantile(error[window:n_fit], 0.9), 1e-6)
        parts.append((score[n_fit:], truth[n_fit:]))
    drop(row.name)
    points = best_points(np.concatenate([s for s, _ in parts]), np.concatenate([t for _, t in parts]))
    return Result("points P %.2f R %.2f F1 %.2f; alarms P %.2f R %.2f F1 %.2f" % (points + best_alarms(parts)), [out])


# ---- rows ------------------------------------------------------------------------------

class Row:
    def __init__(self, line):
        self.name, self.kind, self.set, self.source, self.target, self.metric, self.goal, options = line.split(None, 7)
        self.options = json.loads(options)
        self.season = self.goal
        if self.kind == "forecast":
            self.goal = "below both"
        elif self.kind in ("coco", "warm"):
            self.goal = "above"


KINDS = {"tag": tag, "translate": translate, "caption": caption, "classify": classify, "language": language, "coco": coco,
         "warm": warm, "series": series, "forecast": forecast, "nab": nab}


def measured(row):
    """The row of the table: the one that KEPT has of the same build, options and seed, or a new one, kept there."""
    options = dict(row.options, **OPTIONS)
    asked = json.dumps([row.name, row.kind, row.set, row.source, row.target, row.metric, row.season, options, SEED, LIMIT,
                        WARM_ROWS if row.kind == "warm" else 0])
    path = os.path.join(KEPT, hashlib.sha256(asked.encode()).hexdigest()[:12])
    if os.path.exists(path):
        return open(path).read()
    r = KINDS[row.kind](row)
    line = "| %s | %s | %d | %s | %s | %s | %s | %.0f | %d | %d |" % (
        row.name, {"coco": "caption", "warm": "classify", "series": "classify", "nab": "forecast"}.get(row.kind, row.kind), r.rows,
        json.dumps(options)[1:-1] or "-", r.score, row.goal, r.beside or "-", r.seconds, r.peak >> 20, SEED)
    os.makedirs(KEPT, exist_ok=True)
    with open(path, "w") as f:
        f.write(line)
    return line


def main():
    rows = [Row(line) for line in open(os.path.join(HERE, "tasks.txt")) if line.strip() and not line.startswith("#")]
    wanted = sys.argv[1:]
    unknown = set(wanted) - {row.name for row in rows}
    if unknown:
        sys.exit("no such row: %s" % ", ".join(sorted(unknown)))
    if LIMIT:
        print("LIMIT %d: only to see that it runs.\n" % LIMIT)
    print("| row | task | rows | options | score | goal | beside it | seconds | peak MB | seed |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    failed = False
    for row in rows:
        if wanted and row.name not in wanted:
            continue
        try:
            print(measured(row), flush=True)
        except RuntimeError as e:
            failed = True
            print("%s: %s" % (row.name, e), file=sys.stderr, flush=True)
    sys.exit(failed)


main()

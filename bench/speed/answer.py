"""Answers of many rows, and of one, beside ONNX Runtime and PyTorch with the same model.

Called by run.py.  The model is trained here on a part of the set, briefly, as its accuracy does not matter:
embedding of 100, one forward LSTM, last state, two labels.  The other sides get the tokens that ours reads,
in batches of 64: texts sorted by length ("bucketed"), or in the order of the table ("as they come").  What
they take to cut texts into tokens and put batches together is not counted.
"""
import os
import statistics
import subprocess
import sys

import numpy as np

import batches
import side
import texts
import weights
from side import BIN, HERE, ROOT, ROUNDS, SECONDS, WORK, Side, Table, output_of, threads

OURS = os.path.join(BIN, "answer")
LEARN = os.path.join(ROOT, "build", "bench", "bin", "learn")
ONNX = os.environ.get("ONNXRUNTIME") or os.path.join(ROOT, "build", "bench", "peers")
NETS = [(set_name, H) for set_name in ("sst2", "imdb") for H in (128, 256)]
ORDERS = ["bucketed", "as they come"]
N_TRAIN = 3000


# ---- model and rows ---------------------------------------------------------------

def write_tsv(path, rows):
    with open(path, "w", encoding="utf-8") as f:
        f.write("label\ttext\n")
        for label, text in rows:
            f.write("%s\t%s\n" % (label, text))


def some_texts(name):
    """Labels and texts in the set's order; none is empty."""
    if texts.has_set(name):
        found, labels = texts.read(name)
    else:
        found = [" ".join("w%d" % w for w in t) for t in texts.stand_in(name, 20000, 256)]
        labels = [str(i % 2) for i in range(len(found))]
    return [(label, " ".join(text.split())) for label, text in zip(labels, found) if any(c.isalnum() for c in text)]


def make_model(name, H, rows):
    path = os.path.join(WORK, "%s_%d.safetensors" % (name, H))
    if not os.path.exists(path):
        train, valid = os.path.join(WORK, "model.train.tsv"), os.path.join(WORK, "model.valid.tsv")
        write_tsv(train, rows[:N_TRAIN])
        write_tsv(valid, rows[:100])
        output_of([LEARN, train, valid, "text", "label", "bag=false", "cell=lstm", "bidirectional=false", "layers=1",
                   "pool=last", "embedding=100", "hidden=%d" % H, "epochs=1", "refit=false", "weights=f32", "out=" + path])
    return path


def make_case(name, H):
    """Model, texts and the batches of each order, about SECONDS of work for us."""
    rows = some_texts(name)
    model = make_model(name, H, rows)
    n_words = sum(len(t.split()) for _, t in rows) / len(rows)
    n = min(len(rows) - N_TRAIN, max(256, int(SECONDS * 250e3 * (128 / H) ** 2 / n_words / 1.3)))
    lines = os.path.join(WORK, "texts")
    with open(lines, "w", encoding="utf-8") as f:
        f.writelines(text + "\n" for _, text in rows[N_TRAIN:N_TRAIN + n])
    output_of([OURS, "tokens", model, lines, os.path.join(WORK, "tokens")])
    items = np.fromfile(os.path.join(WORK, "tokens"), np.int32)
    start = np.concatenate([[0], np.cumsum(items[1:1 + n])])
    tokens = [items[1 + n + start[i]:1 + n + start[i + 1]] for i in range(n)]
    made = {order: os.path.join(WORK, "batches." + order.replace(" ", "_")) for order in ORDERS}
    batches.write(tokens, sorted(range(n), key=lambda i: -len(tokens[i])), made["bucketed"])
    batches.write(tokens, list(range(n)), made["as they come"])
    onnx_file = os.path.join(WORK, "model.onnx")
    if side.module_version("onnx"):
        weights.write_onnx(weights.read(model), onnx_file)
    return model, lines, tokens, made, onnx_file


# ---- the sides --------------------------------------------------------------------

def same(out, n, expected, name):
    found = np.fromfile(out, np.float32).reshape(n, -1)
    worst = float(np.max(np.abs(found - expected)))
    if worst > 1e-4:
        sys.exit("%s's answers differ by %g" % (name, worst))
    return worst


class Peer:
    """One process, one order of rows, one layout; answers are checked when it is made."""

    def __init__(self, name, process, model, made, layout, cores, n, expected):
        self.process, self.layout, self.cores = process, layout, cores
        self.model, self.made = model, made
        self.out = os.path.join(WORK, "peer.out")
        process.ask(do="case", model=model, batches=made, out=self.out, layout=layout)
        self.worst = same(self.out, n, expected, name)

    def load(self):
        """Again its turn, after another order in the same process."""
        self.process.ask(do="case", model=self.model, batches=self.made, out=self.out, layout=self.layout)

    def seconds(self):
        return self.process.ask(do="run", layout=self.layout)["seconds"][0 if self.cores > 1 else 1]


def fastest(peers):
    """By one try each; its process is ready for it."""
    best = None
    for peer in peers:
        peer.load()
        took = peer.seconds()
        if best is None or took < best[0]:
            best = took, peer
    if best is not None:
        best[1].load()
        return best[1]
    return None


def onnx_processes(cores_wanted):
    node = "node"
    if not os.path.isdir(os.path.join(ONNX, "node_modules", "onnxruntime-node")) or not side.module_version("onnx"):
        return {}
    return {c: Side([node, os.path.join(HERE, "answer_onnx.js"), ONNX, str(c)]) for c in cores_wanted}


def torch_processes(cores_wanted):
    if not side.module_version("torch"):
        return {}
    settings = {1: [(1, 1)], 2: [(1, 2), (2, 1)]}
    command = [sys.executable, os.path.join(HERE, "answer_torch.py")]
    return {c: [Side(command, threads(*s)) for s in settings[c]] for c in cores_wanted}


# ---- tables -----------------------------------------------------------------------

def measure(name, H, cores, onnx, torch, table, ratios):
    model, lines, tokens, made, onnx_file = make_case(name, H)
    n = len(tokens)
    n_tokens = sum(len(t) for t in tokens)
    checked = os.path.join(WORK, "ours.out")
    output_of([OURS, "check", model, lines, checked])
    expected = np.fromfile(checked, np.float32).reshape(n, -1)
    for order in ORDERS:
        peers = {}
        if onnx.get(cores):
            peers["onnx"] = Peer("ONNX Runtime", onnx[cores], onnx_file, made[order], "padded", cores, n, expected)
        tried = [Peer("PyTorch", p, model, made[order], layout, cores, n, expected)
                 for p in torch.get(cores, []) for layout in ("padded", "packed")]
        if tried:
            peers["torch"] = fastest(tried)
        took = {"texts": [], "tokens": [], "single": []}
        took.update({p: [] for p in peers})
        for _ in range(ROUNDS):
            ours = [[float(x) for x in line.split()] for line in output_of([OURS, "run", model, lines]).splitlines()]
            for mode, pair in zip(("texts", "tokens", "single"), ours):
                took[mode].append(pair[0 if cores > 1 else 1])
            for p in peers:
                took[p].append(peers[p].seconds())
        cells = [name, str(H), order, str(cores)]
        cells += ["%.0fk" % (n_tokens / statistics.median(took[m]) / 1e3) for m in ("tokens", "texts", "single")]
        for p in ("onnx", "torch"):
            if p not in peers:
                cells += ["-", "-"]
                continue
            for mode in ("tokens", "texts"):
                ratio = statistics.median(b / a for a, b in zip(took[mode], took[p]))
                cells.append("%.2f" % ratio)
                ratios.setdefault((p, cores, order, mode), []).append(ratio)
        table.row(*cells)


def one_row(out):
    out("")
    out("One row, warm, median of 2001, microseconds: whole (text to answer), network alone.")
    out("")
    table = Table(out, "H", "tokens", "whole", "network")
    for H in (128, 256):
        rows = some_texts("sst2")
        model = make_model("sst2", H, rows)
        line = os.path.join(WORK, "one.text")
        words = " ".join(text for _, text in rows[:200]).split()
        for n in range(20, 0, -1):
            with open(line, "w", encoding="utf-8") as f:
                f.write(" ".join(words[:n]) + "\n")
            found = output_of([OURS, "one", model, line]).split()
            if int(found[2]) <= 20:
                break
        table.row(str(H), found[2], found[0], found[1])


def main(out, cores_wanted):
    onnx = onnx_processes(cores_wanted)
    torch = torch_processes(cores_wanted)
    version = next(iter(onnx.values())).ask(do="versions")["node"] if onnx else \
        "is missing: apt install nodejs npm python3-onnx; npm install onnxruntime-node"
    out("")
    out("## Answers: tokens a second, E = 100")
    out("")
    out("ONNX Runtime %s, PyTorch %s.  All sides' probabilities agree within 1e-4; ours are bit-identical for a text alone "
        "and among others.  Ratios: other sides' time, which begins with tokens in padded batches, over ours from tokens "
        "and over ours from texts.  Ours is one core in every row of this table." % (
            version, side.module_version("torch") or "is missing: apt install python3-torch"))
    out("")
    table = Table(out, "set", "H", "rows", "cores", "ours, from tokens", "from texts", "texts one by one", "x ONNX", "texts x ONNX",
                  "x PyTorch", "texts x PyTorch")
    ratios = {}
    for name, H in NETS:
        for cores in cores_wanted:
            measure(name, H, cores, onnx, torch, table, ratios)
    out("")
    for (p, cores, order, mode), found in sorted(ratios.items()):
        out("%s on %d core%s, %s, ours from %s: geometric mean %.2f, least %.2f" % (
            {"onnx": "ONNX Runtime", "torch": "PyTorch"}[p], cores, "s" if cores > 1 else "", order, mode,
            side.geometric_mean(found), min(found)))
    one_row(out)
    for p in list(onnx.values()) + [p for ps in torch.values() for p in ps]:
        p.close()

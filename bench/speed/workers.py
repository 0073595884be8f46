"""Training by 1 and 2 workers in SQL, beside PyTorch and oneDNN on two cores.

Called by run.py in a server that run.sh has started.  Trains an LSTM without bag on texts of one length, whose
words are drawn evenly, and on real ones with option "workers"; the second epoch's time, which lstm_epochs shows, counts (it includes validation and
the copy of the weights); oneDNN's is that of its LSTM primitive alone, as in train.py.  All worker counts must give
the same bytes.
"""
import json
import os
import statistics
import sys

import numpy as np

import side
import texts
import train
from side import HERE, ROUNDS, SEED, Side, Table, threads
from sql import sql

N_ROWS = {32: 4096, 64: 2048, 200: 1024, "sst2": 16384, "imdb": 1024}
N_EVEN = 10000


def load(name):
    """Table w: so many rows, labels at random."""
    rng = np.random.default_rng(SEED)
    found = [" ".join("w%d" % x for x in t) for t in rng.integers(0, N_EVEN, (N_ROWS[name], name))] if isinstance(name, int) else \
        texts.read(name)[0] if texts.has_set(name) else \
        [" ".join("w%d" % x for x in t) for t in texts.stand_in(name, 20000, train.MAX_TOKENS)]
    found = [t for t in found if any(c.isalnum() for c in t)]
    picked = [" ".join(found[i].split()).replace("\\", "") for i in rng.permutation(len(found))[:N_ROWS[name]]]
    sql("DROP TABLE IF EXISTS w; CREATE TABLE w (body text, label text)")
    sql("COPY w FROM STDIN", "".join("%s\t%s\n" % (t, "ab"[i % 2]) for i, t in enumerate(picked)))
    return [t for t in (texts.WORD.findall(p.lower())[:train.MAX_TOKENS] for p in picked) if t]


def ours(H, B, workers):
    """Seconds of an epoch, its tokens, and the digest of the weights."""
    options = json.dumps({"bag": False, "cell": "lstm", "bidirectional": False, "layers": 1, "pool": "last",
                          "embedding": 100, "hidden": H, "batch": B, "epochs": 2, "refit": False, "validation": 0.01,
                          "dropout_input": 0, "seed": SEED, "workers": workers})
    sql("SELECT lstm_train('w', 'body', 'label', model => 'w', options => '%s')" % options)
    took = float(sql("SELECT seconds FROM lstm_epochs WHERE model = 'w' AND epoch = 2"))
    digest = sql("SELECT digest FROM lstm_versions WHERE model = 'w'")
    tokens = int(sql("SELECT tokens FROM lstm_estimate('w', 'body', 'label', options => '%s')" % options))
    sql("SELECT lstm_drop('w')")
    return took, tokens, digest


def measure(name, H, B, torch_sides, has_onednn, table, ratios):
    words = load(name)
    number = {w: i for i, w in enumerate(sorted({w for t in words for w in t}))}
    tokens = [np.array([number[w] for w in t], np.int32) for t in words]
    case = ("lstm", 1, H, B, name)
    peer = None
    if torch_sides:
        rng = np.random.default_rng(SEED)
        peer = train.Torch(torch_sides, case, train.write_examples("workers.data", tokens, rng),
                           train.write_weights("workers.weights", case, len(number), rng), len(number), 2)
    onednn = train.OneDnn(case, tokens, 2) if has_onednn else None
    n_tokens_of_peers = sum(len(t) for t in tokens)
    took = {1: [], 2: [], "torch": [], "onednn": []}
    digests = set()
    for _ in range(ROUNDS):
        for workers in (1, 2):
            seconds, n_tokens, digest = ours(H, B, workers)
            took[workers].append(seconds / n_tokens)
            digests.add(digest)
        if peer:
            took["torch"].append(peer.seconds() / n_tokens_of_peers)
        if onednn:
            took["onednn"].append(onednn.seconds() / n_tokens_of_peers)
    if len(digests) != 1:
        sys.exit("1 and 2 workers give different bytes")

    def ratio(side):
        if not took[side]:
            return "-"
        found = statistics.median(x / y for x, y in zip(took[side], took[2]))
        ratios.setdefault(side, []).append((found, "%s %d %d" % (name, H, B)))
        return "%.2f" % found

    table.row(str(name), str(H), str(B), "%.1fk" % (1e-3 / statistics.median(took[1])),
              "%.1fk" % (1e-3 / statistics.median(took[2])), ratio(1), ratio("torch"), ratio("onednn"))


def summary(out, ratios):
    for side_name, found in ratios.items():
        out("%s: geometric mean %.2f of %d rows, least %.2f (%s)" % (
            {1: "2 workers beside 1", "torch": "PyTorch on 2 cores", "onednn": "oneDNN on 2 cores"}[side_name],
            side.geometric_mean([r for r, _ in found]), len(found), *min(found)))


def main(out, cores):
    out("")
    out("## Training by workers in SQL, E = 100")
    out("")
    if max(cores) < 2 or sql("SELECT count(*) FROM lstm_options('classify') WHERE name = 'workers'") != "1":
        out("Left out: one core, or no option \"workers\" in this build.")
        return
    torch_sides = {}
    if side.module_version("torch") and not os.environ.get("NO_TORCH"):
        command = [sys.executable, os.path.join(HERE, "train_torch.py")]
        torch_sides = {s: Side(command, threads(*s)) for s in train.TORCH[2]}
    out("Tokens a second of an epoch, each side counting its own tokens; 1 and 2 workers give the same bytes.")
    out("")
    table = Table(out, "set or T", "H", "batch", "1 worker", "2 workers", "x 1 worker", "x PyTorch on 2 cores",
                  "x oneDNN on 2 cores")
    wanted = os.environ.get("ROWS", "")
    ratios = {}
    for name in N_ROWS:
        for H in (128, 256):
            for B in (32, 64):
                if ("%s %d %d" % (name, H, B)).startswith(wanted):
                    measure(name, H, B, torch_sides, os.path.exists(train.ONEDNN), table, ratios)
    out("")
    summary(out, ratios)
    for s in torch_sides.values():
        s.close()

#!/usr/bin/python3
"""Tokens a second of training, beside PyTorch and oneDNN, interleaved.

Called by run.sh.  All sides train one epoch over the same rows.  Rows of one length have tokens drawn
evenly from 10000, so that few repeat; "imdb" and "sst2" are the lengths and words of those sets, cut at
256 tokens, or without them lengths and words drawn to be like them.  On one core the processor's time
counts, which other work on the machine disturbs less; on two cores the clock on the wall does.
"""
import os
import statistics
import subprocess
import sys

import numpy as np

import side
from side import BIN, HERE, ROUNDS, SECONDS, SEED, WORK, Side, Table, output_of, threads
from texts import mix

E = 100
V = 10000
V_MIX = 20000
MAX_TOKENS = 256
OURS = os.path.join(BIN, "train")
ONEDNN = os.path.join(BIN, "onednn")
# OpenMP threads, OpenBLAS threads
TORCH = {1: [(1, 1)], 2: [(1, 2), (2, 1), (2, 2)]}

CASES = [("lstm", 1, H, B, T) for H in (128, 256) for B in (32, 64) for T in (32, 64, 200, "sst2", "imdb")]
MORE = [("lstm", 2, 64, 32, 32), ("gru", 1, 128, 32, 64)]


# ---- rows ---------------------------------------------------------------------

def flops(cell, directions, H):
    """Of a token, forward and backward; gates' activations, output layer and optimizer are not counted."""
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[cell]
    return 3 * directions * 2 * gates * H * (E + H)


def write_examples(name, texts, rng):
    path = os.path.join(WORK, name)
    length = [len(t) for t in texts]
    label = rng.integers(0, 2, len(texts))
    np.concatenate([[len(texts)], length, label, np.concatenate(texts)]).astype(np.int32).tofile(path)
    return path


def write_weights(name, case, words, rng):
    """First weights of all sides, as a careful user has them: the forget gate's bias is 1."""
    cell, directions, H = case[:3]
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[cell] * H
    parts = [rng.normal(0, 0.1, words * E)]
    for _ in range(directions):
        bias = rng.normal(0, 0.1, gates)
        if cell == "lstm":
            bias[H:2 * H] += 1
        parts += [rng.normal(0, (2 / (E + gates)) ** 0.5, gates * E), rng.normal(0, H ** -0.5, gates * H), bias, 0 * bias]
    parts += [rng.normal(0, 0.1, 2 * directions * H), np.zeros(2)]
    path = os.path.join(WORK, name)
    np.concatenate(parts).astype(np.float32).tofile(path)
    return path


def make_rows(case):
    """About SECONDS of work at 60 GFLOP/s, in whole batches: texts as arrays of token numbers, and how many words."""
    cell, directions, H, B, T = case
    rng = np.random.default_rng(SEED)
    n_tokens = SECONDS * 60e9 / flops(cell, directions, H)
    if isinstance(T, int):
        n_batches = max(2, round(n_tokens / (B * T)))
        return [rng.integers(0, V, T) for _ in range(n_batches * B)], V
    texts = mix(T, V_MIX, MAX_TOKENS)
    rng.shuffle(texts)
    n_batches = max(4, round(n_tokens / (B * np.mean([len(t) for t in texts]))))
    return texts[:n_batches * B], V_MIX


def batches_of(texts, B):
    """Sequences and steps of the batches when all rows are sorted by length."""
    length = sorted((len(t) for t in texts), reverse=True)
    return [(len(length[i:i + B]), length[i]) for i in range(0, len(length), B)]


# ---- do all sides compute the same? ----------------------------------------------

def relative(a, b):
    """The largest difference, in units of the largest number."""
    return float(np.max(np.abs(a - b)) / np.max(np.abs(b)))


def check_ours(case, torch_side):
    """Gradients of a step (as the change under plain gradient descent), then losses and norms under AdamW.

    The second may differ by more: SparseAdam adds epsilon before it corrects the bias, we after.
    """
    cell, directions, H, B, T = case
    rng = np.random.default_rng(SEED + 1)
    words = 500
    lengths = rng.integers(1, 40, B)
    data = write_examples("check.data", [rng.integers(0, words, n) for n in lengths], rng)
    weights, out = write_weights("check.weights", case, words, rng), os.path.join(WORK, "check.out")
    first = np.fromfile(weights, np.float32)
    worst = []
    for optimizer, steps, rate, clip in (("sgd", 1, 1.0, 0.0), ("adamw", 8, 1e-3, 1.0)):
        mine = output_of([OURS, "check", cell, str(directions), str(E), str(H), str(words), str(B), data,
                          str(steps), optimizer, str(rate), str(clip), weights, out])
        mine = np.array([[float(x) for x in line.split()] for line in mine.splitlines()])
        my_change = np.fromfile(out, np.float32) - first
        layout = "packed" if directions == 2 else "padded"
        theirs = np.array(torch_side.ask(do="check", net=[cell, directions, E, H, words], batch=B, data=data, steps=steps,
                                         optimizer=optimizer, rate=rate, clip=clip, weights=weights, out=out,
                                         layout=layout)["steps"])
        worst.append(relative(mine, theirs))
        if optimizer == "sgd":
            worst[0] = max(worst[0], relative(my_change, np.fromfile(out, np.float32) - first))
    if worst[0] > 1e-4 or worst[1] > 1e-3:
        sys.exit("%s: ours and PyTorch's training differ by %g, %g" % (case, worst[0], worst[1]))
    return worst[0]


def check_onednn(H, B, T):
    """One step of its primitive against PyTorch's gradients."""
    import torch
    rng = np.random.default_rng(SEED + 2)
    parts = [rng.normal(0, 0.1, s).astype(np.float32) for s in ((T, B, E), (4 * H, E), (4 * H, H), (4 * H,), (B, H))]
    given, out = os.path.join(WORK, "onednn.in"), os.path.join(WORK, "onednn.out")
    with open(given, "wb") as f:
        f.write(np.array([E, H, B, T], np.int32).tobytes())
        for part in parts:
            f.write(part.tobytes())
    output_of([ONEDNN, "check", given, out], threads(1, 1))
    x, w_ih, w_hh, b, d_last = [torch.from_numpy(p) for p in parts]
    rnn = torch.nn.LSTM(E, H)
    with torch.no_grad():
        for p, value in zip(rnn.parameters(), (w_ih, w_hh, b, torch.zeros(4 * H))):
            p.copy_(value)
    x.requires_grad_()
    h, _ = rnn(x)
    h[-1].backward(d_last)
    theirs = np.fromfile(out, np.float32)
    at = 0
    worst = 0.0
    for mine in [h.detach(), x.grad] + [p.grad for p in list(rnn.parameters())[:3]]:
        n = mine.numel()
        worst = max(worst, relative(theirs[at:at + n], mine.numpy().ravel()))
        at += n
    if worst > 1e-4:
        sys.exit("oneDNN and PyTorch differ by %g" % worst)
    return worst


# ---- the sides ------------------------------------------------------------------

class Ours:
    def __init__(self, case, data, weights, words, cores):
        cell, directions, H, B, _ = case
        self.command = [OURS, "run", cell, str(directions), str(E), str(H), str(words), str(B), data, str(SEED), weights]
        self.cores = cores

    def seconds(self):
        out = output_of(self.command).split()
        self.kernel = " ".join(out[2:])
        return float(out[0 if self.cores > 1 else 1])


class Torch:
    """The fastest of several settings, as a first try shows."""

    def __init__(self, sides, case, data, weights, words, cores):
        cell, directions, H, B, T = case
        layouts = ["packed", "padded"] if isinstance(T, str) and directions == 1 else \
            ["padded"] if directions == 1 else ["packed"]
        self.cores = cores
        tried = []
        for setting in TORCH[cores]:
            for layout in layouts:
                sides[setting].ask(do="case", net=[cell, directions, E, H, words], batch=B, data=data, seed=SEED,
                                   weights=weights, layout=layout)
                tried.append((self.ask(sides[setting], layout), setting, layout))
        _, setting, self.layout = min(tried)
        self.side = sides[setting]
        self.setting = "%d+%d %s" % (setting + (self.layout,))

    def ask(self, side, layout):
        return side.ask(do="run", layout=layout)["seconds"][0 if self.cores > 1 else 1]

    def seconds(self):
        return self.ask(self.side, self.layout)


class OneDnn:
    def __init__(self, case, texts, cores):
        self.batches = os.path.join(WORK, "onednn.batches")
        with open(self.batches, "w") as f:
            for B, T in batches_of(texts, case[3]):
                f.write("%d %d\n" % (B, T))
        self.H = case[2]
        self.cores = cores

    def seconds(self):
        out = output_of([ONEDNN, "run", str(E), str(self.H), self.batches], threads(self.cores, 1)).split()
        return float(out[0 if self.cores > 1 else 1])


# ---- the table ------------------------------------------------------------------

def distinct_share(texts, B):
    """Distinct tokens over tokens, of batches sorted by length."""
    texts = sorted(texts, key=len)
    batches = [np.concatenate(texts[i:i + B]) for i in range(0, len(texts), B)]
    return sum(len(np.unique(b)) for b in batches) / sum(len(b) for b in batches)


def measure(case, torch_sides, has_onednn, cores, peak, table, ratios):
    cell, directions, H, B, T = case
    texts, words = make_rows(case)
    data = write_examples("train.data", texts, np.random.default_rng(SEED))
    weights = write_weights("train.weights", case, words, np.random.default_rng(SEED))
    n_tokens = sum(len(t) for t in texts)
    sides = {"ours": Ours(case, data, weights, words, cores)}
    if torch_sides:
        sides["torch"] = Torch(torch_sides, case, data, weights, words, cores)
    if has_onednn and cell == "lstm" and directions == 1:
        sides["onednn"] = OneDnn(case, texts, cores)
    took = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name in sides:
            took[name].append(sides[name].seconds())
    rate = n_tokens / statistics.median(took["ours"])
    done = flops(cell, directions, H) * (H + E * distinct_share(texts, B)) / (E + H)
    cells = ["%s%s" % (cell, " x 2" if directions == 2 else ""), str(H), str(B), str(T), str(cores), "%.1fk" % (rate / 1e3),
             "%.0f" % (rate * done * 1e-9), "%.0f %%" % (100 * rate * done * 1e-9 / peak) if peak else "-"]
    for name in ("torch", "onednn"):
        if name not in sides:
            cells += ["-", "-"] if name == "torch" else ["-"]
            continue
        ratio = statistics.median(b / a for a, b in zip(took["ours"], took[name]))
        ratios.setdefault((name, cores), []).append((ratio, case))
        cells.append("%.2f" % ratio)
        if name == "torch":
            cells.append(sides["torch"].setting)
    table.row(*cells)


def summary(out, ratios):
    for (name, cores), found in sorted(ratios.items()):
        for what, chosen in (("all rows", found), ("real texts", [f for f in found if isinstance(f[1][4], str)])):
            if chosen:
                least = min(chosen)
                out("%s on %d core%s, %s: geometric mean %.2f, least %.2f (%s)" % (
                    {"torch": "PyTorch", "onednn": "oneDNN"}[name], cores, "s" if cores > 1 else "", what,
                    side.geometric_mean([r for r, _ in chosen]), least[0], " ".join(str(x) for x in least[1])))


def main(out, cores_wanted):
    os.makedirs(WORK, exist_ok=True)
    has_torch = side.module_version("torch")
    has_onednn = os.path.exists(ONEDNN)
    command = [sys.executable, os.path.join(HERE, "train_torch.py")]
    torch_sides = {}
    if has_torch:
        torch_sides = {s: Side(command, threads(*s)) for c in cores_wanted for s in TORCH[c]}
    cases = CASES + MORE
    wanted = os.environ.get("ROWS")
    if wanted:
        cases = [c for c in cases if " ".join(str(x) for x in c).startswith(wanted)]
    peak = float(output_of([OURS, "peak"]))
    out("")
    out("## Training: tokens a second of a full step, E = %d" % E)
    out("")
    out("PyTorch %s, oneDNN %s.  One core does at most %s GFLOP/s (fused multiply-add in registers, measured)." % (
        has_torch or "is missing: apt install python3-torch",
        output_of([ONEDNN, "version"]) if has_onednn else "is missing: apt install libdnnl-dev g++",
        "%.0f" % peak if peak else "unknown"))
    if has_torch:
        first = next(iter(torch_sides.values()))
        worst = max(check_ours(case, first) for case in {c[:3] + (32, 0) for c in cases})
        out("Loss, norm and all gradients of a step are PyTorch's, the largest difference is %.1e of the largest number, "
            "and so are the losses of 8 steps of AdamW (within 0.001).  " % worst)
        if has_onednn:
            out("oneDNN's outputs and gradients likewise, %.1e." % max(check_onednn(H, 8, 20) for H in (128, 256)))
    out("PyTorch's setting: OpenMP + OpenBLAS threads, layout of a batch.  oneDNN's time is that of the LSTM primitive "
        "alone (forward, backward, weights brought into its layouts), without embedding, output layer and optimizer; "
        "ours is everything.  Ours is one core in every row here (section workers has two).  GFLOP/s count what we do: the input side once for each distinct token of a batch.")
    out("")
    table = Table(out, "cell", "H", "batch", "T", "cores", "tokens/s", "GFLOP/s", "of peak", "x PyTorch", "its setting",
                  "x oneDNN")
    ratios = {}
    for case in cases:
        for cores in cores_wanted:
            measure(case, {s: torch_sides[s] for s in TORCH[cores]} if has_torch else {}, has_onednn, cores, peak, table,
                    ratios)
    out("")
    summary(out, ratios)
    for s in torch_sides.values():
        s.close()

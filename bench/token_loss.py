#!/usr/bin/python3
"""The softmax over a vocabulary beside PyTorch on one thread, in turns.

usage: bench/token_loss.py [ROUNDS]     (Debian's python3-torch; `make bench` first)

PyTorch computes F.linear and F.cross_entropy forward and backward with the
gradients of x, W and b; over a sample, the same on the gathered rows, drawn
with torch.multinomial and put back with index_add_.  Each number is the fastest
step of all rounds.  The ratio is PyTorch's milliseconds by ours.
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OURS = os.environ.get("OURS", os.path.join(HERE, "..", "build", "bench", "bin", "token_loss"))
ROWS = 32 * 35

CASES = [("full", V, E, 0) for V in (10000, 33000) for E in (200, 300, 400)]
CASES += [("sampled", 33000, E, n) for E in (200, 300, 400) for n in (1000, 2000)]
CASES += [("sampled", 10000, 400, 1000)]


def peer(kind, V, E, n_samples, n_steps):
    """Milliseconds of PyTorch's fastest step."""
    import time
    import torch
    from torch.nn import functional as F
    torch.set_num_threads(1)
    torch.manual_seed(1)
    W = (torch.rand(V, E) * 0.2 - 0.1)
    b = torch.rand(V) * 0.2 - 0.1
    W.grad, b.grad = torch.zeros(V, E), torch.zeros(V)
    x = torch.rand(ROWS, E, requires_grad=True)
    y = (V ** torch.rand(ROWS) - 1).long()
    rank = torch.arange(V)
    p = torch.log1p(1 / (rank + 1.0))

    def full():
        F.cross_entropy(F.linear(x, W, b), y).backward()

    def sampled():
        drawn = torch.multinomial(p, n_samples)
        log_q = torch.log(p[drawn] * n_samples)
        w_s, b_s = W[drawn].requires_grad_(), b[drawn].requires_grad_()
        w_y, b_y = W[y].requires_grad_(), b[y].requires_grad_()
        own = (x * w_y).sum(1) + b_y - torch.log(p[y] * n_samples)
        z = F.linear(x, w_s, b_s - log_q).masked_fill(drawn[None, :] == y[:, None], -1e9)
        F.cross_entropy(torch.cat([own[:, None], z], 1), torch.zeros(ROWS, dtype=torch.long)).backward()
        for ids, w, c in ((drawn, w_s, b_s), (y, w_y, b_y)):
            W.grad.index_add_(0, ids, w.grad)
            b.grad.index_add_(0, ids, c.grad)

    if kind == "full":
        W.requires_grad_()
        b.requires_grad_()
    best = 1e9
    for _ in range(n_steps):
        x.grad = None
        start = time.perf_counter()
        (full if kind == "full" else sampled)()
        best = min(best, time.perf_counter() - start)
    return 1e3 * best


def ours(kind, V, E, n_samples, n_steps):
    arguments = [OURS, kind, str(V), str(E), str(ROWS), str(n_samples), str(n_steps)]
    out = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()
    return float(out[0]), float(out[1]), float(out[2]), out[3]


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print("%-8s %6s %4s %7s  %8s %8s %9s  %8s %6s" % (
        "softmax", "V", "E", "sample", "ours ms", "GFLOP/s", "tokens/s", "torch ms", "ratio"))
    for case in CASES:
        n_steps = 5 if case[0] == "full" else 15
        mine, theirs = (1e9,), 1e9
        for _ in range(rounds):
            mine = min(mine, ours(*case, n_steps))
            theirs = min(theirs, peer(*case, n_steps))
        print("%-8s %6d %4d %7d  %8.2f %8.1f %9.0f  %8.2f %6.2f" % (
            *case, *mine[:3], theirs, theirs / mine[0]), flush=True)
    print("kernel %s" % mine[3])


main()

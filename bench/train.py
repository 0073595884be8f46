#!/usr/bin/python3
"""Training steps beside PyTorch, interleaved, medians of the ratio.

usage: bench/train.py [ROUNDS]     (Debian's python3-torch; `make bench` first)

Both sides train the same network on the same shapes: embedding, one LSTM layer,
last state, softmax, cross-entropy, clipping, AdamW.  PyTorch runs with each
thread setting in a process of its own; its best one counts.  The embedding's
gradient is sparse on both sides (torch.optim.SparseAdam), which favors PyTorch:
its dense Adam is slower.  We run on one core in all rows.
"""
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OURS = os.path.join(HERE, "..", "build", "bench", "bin", "train")

CASES = [  # cell, directions, E, H, B, T
    ("lstm", 1, 100, 128, 32, 64),
    ("lstm", 1, 100, 128, 32, 32),
    ("lstm", 1, 100, 128, 64, 64),
    ("lstm", 1, 100, 256, 32, 64),
    ("lstm", 2, 100, 64, 32, 32),
    ("gru", 1, 100, 128, 32, 64),
]
VOCABULARY = 10000


def torch_ms(cell, directions, E, H, B, T, n_steps):
    """Runs inside the child process."""
    import time
    import torch
    torch.manual_seed(1)
    emb = torch.nn.Embedding(VOCABULARY, E, sparse=True)
    rnn = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[cell](
        E, H, bidirectional=directions == 2, batch_first=False)
    head = torch.nn.Linear(H * directions, 2)
    dense = list(rnn.parameters()) + list(head.parameters())
    opt = torch.optim.AdamW(dense, lr=1e-3)
    opt_emb = torch.optim.SparseAdam(list(emb.parameters()), lr=1e-3)
    loss = torch.nn.CrossEntropyLoss()
    x = [torch.randint(0, VOCABULARY, (T, B)) for _ in range(8)]
    y = [torch.randint(0, 2, (B,)) for _ in range(8)]

    def step(i):
        opt.zero_grad()
        opt_emb.zero_grad()
        out, h = rnn(emb(x[i % 8]))
        h = h[0] if cell == "lstm" else h
        e = loss(head(h.transpose(0, 1).reshape(B, -1)), y[i % 8])
        e.backward()
        torch.nn.utils.clip_grad_norm_(dense, 1.0)
        opt.step()
        opt_emb.step()

    for i in range(5):
        step(i)
    times = []
    for i in range(n_steps):
        t = time.perf_counter()
        step(i)
        times.append(time.perf_counter() - t)
    print(statistics.median(times) * 1e3)


def peer(case, threads, n_steps):
    env = dict(os.environ, OMP_NUM_THREADS=str(threads[0]), OPENBLAS_NUM_THREADS=str(threads[1]),
               OMP_WAIT_POLICY="passive")
    arguments = [str(v) for v in case] + [str(n_steps)]
    out = subprocess.run(["/usr/bin/python3", __file__, "--torch"] + arguments, env=env,
                         capture_output=True, text=True, check=True).stdout
    return float(out)


def ours(case, n_steps, zipf):
    cell, directions, E, H, B, T = case
    out = subprocess.run([OURS, cell, str(directions), str(E), str(H), str(B), str(T), str(VOCABULARY),
                          str(zipf), str(n_steps), "best"], capture_output=True, text=True, check=True).stdout.split()
    return float(out[0]), out[2], " ".join(out[3:])


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    settings = [(1, 1), (1, 2), (2, 1), (2, 2)]
    import torch
    cpu = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    print("cpu %s x %d, PyTorch %s, vocabulary %d, seed 1, %d rounds" %
          (cpu[0], len(cpu), torch.__version__, VOCABULARY, rounds))
    print("%-5s %s %4s %4s %3s %4s  %9s %9s %9s  %7s %7s" % (
        "cell", "dir", "E", "H", "B", "T", "ours ms", "torch 1T", "torch 2T", "x 1T", "x 2T"))
    for case in CASES:
        n_steps = 40
        best = {1: [], 2: []}
        mine = []
        ratio = {1: [], 2: []}
        for _ in range(rounds):
            ms, kernel, blas = ours(case, n_steps, 0)
            one = peer(case, settings[0], n_steps)
            two = min(peer(case, s, n_steps) for s in settings[1:])
            mine.append(ms)
            best[1].append(one)
            best[2].append(two)
            ratio[1].append(one / ms)
            ratio[2].append(min(one, two) / ms)
        cell, directions, E, H, B, T = case
        print("%-5s %3d %4d %4d %3d %4d  %9.2f %9.2f %9.2f  %7.2f %7.2f" % (
            cell, directions, E, H, B, T, statistics.median(mine), statistics.median(best[1]),
            statistics.median(best[2]), statistics.median(ratio[1]), statistics.median(ratio[2])), flush=True)
    print("kernel %s, large products %s" % (kernel, blas))


if len(sys.argv) > 1 and sys.argv[1] == "--torch":
    torch_ms(sys.argv[2], *[int(v) for v in sys.argv[3:]])
else:
    main()

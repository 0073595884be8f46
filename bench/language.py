#!/usr/bin/python3
"""Training steps of a language model beside PyTorch, interleaved, medians of the ratio.

usage: bench/language.py [ROUNDS]     (Debian's python3-torch; `make bench` first)

Both sides train the same network on the same shapes: embedding, LSTM layers whose
state goes on from batch to batch, the embedding as the softmax (tied) over the
whole vocabulary, cross-entropy, clipping to 0.25, AdamW of all weights.  PyTorch runs
with 1 and with 2 threads, each in a process of its own, its AdamW as it comes and
with foreach=True; the faster one counts.  We run on one core in all rows.

One thread against one is in processor time, which other load on the machine changes
less; two threads are measured by the clock on the wall.
"""
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OURS = os.environ.get("BENCH_LANGUAGE", os.path.join(HERE, "..", "build", "bench", "bin", "language"))

CASES = [  # layers, E, H, B, T
    (1, 256, 256, 20, 35),
    (2, 256, 256, 32, 35),
    (1, 400, 400, 20, 35),
    (2, 400, 400, 32, 35),
    (1, 256, 400, 32, 35),
]
VOCABULARY = 10000
STEPS = 12


def torch_ms(layers, E, H, B, T, n_steps):
    """Runs inside the child process."""
    import math
    import time
    import torch
    from torch import nn
    from torch.nn import functional as F
    torch.manual_seed(1)
    emb = nn.Embedding(VOCABULARY, E)
    nn.init.normal_(emb.weight, std=0.1)
    rnn = nn.LSTM(E, H, layers)
    readout = nn.Linear(H, E) if H != E else nn.Identity()
    bias = nn.Parameter(torch.zeros(VOCABULARY))
    parameters = [emb.weight, bias] + list(rnn.parameters()) + list(readout.parameters())
    data = (torch.rand(T * 8 + 1, B) * math.log(VOCABULARY)).exp().sub(1).long()
    best = [math.inf, math.inf]
    for foreach in (None, True):
        opt = torch.optim.AdamW(parameters, lr=1e-3, foreach=foreach)
        state = (torch.zeros(layers, B, H), torch.zeros(layers, B, H))
        times = []
        for i in range(n_steps + 3):
            start = time.perf_counter(), time.process_time()
            x = data[i % 8 * T:i % 8 * T + T]
            y = data[i % 8 * T + 1:i % 8 * T + T + 1]
            opt.zero_grad()
            h, state = rnn(emb(x), tuple(s.detach() for s in state))
            loss = F.cross_entropy(F.linear(readout(h), emb.weight, bias).view(-1, VOCABULARY), y.reshape(-1))
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 0.25)
            opt.step()
            times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
        best = [min(b, statistics.median(t)) for b, t in zip(best, zip(*times[3:]))]
    print(best[0] * 1e3, best[1] * 1e3)


def peer(case, threads):
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads),
               OMP_WAIT_POLICY="passive")
    out = subprocess.run(["/usr/bin/python3", __file__, "--torch"] + [str(v) for v in case] + [str(STEPS)],
                         env=env, capture_output=True, text=True, check=True).stdout
    return [float(v) for v in out.split()]      # wall, processor


def ours(case):
    layers, E, H, B, T = case
    arguments = [str(v) for v in (layers, E, H, VOCABULARY, B, T, 0, STEPS)]
    out = subprocess.run([OURS, "lstm"] + arguments, capture_output=True, text=True, check=True).stdout.split()
    return [float(v) for v in out[:6]], out[7]


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    cpu = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    print("cpu %s x %d, vocabulary %d, whole softmax, seed 1, %d rounds" % (cpu[0], len(cpu), VOCABULARY, rounds))
    print("%2s %4s %4s %3s %3s  %8s %8s  %23s  %8s %8s  %6s %6s" % (
        "L", "E", "H", "B", "T", "ours ms", "tokens/s", "passes, optimizer, pack", "torch 1T", "2T wall",
        "x 1T", "x 2T"))
    for case in CASES:
        mine, one, two, ratio = [], [], [], []
        for _ in range(rounds):
            figures, kernel = ours(case)
            mine.append(figures)
            one.append(peer(case, 1)[1])
            two.append(peer(case, 2)[0])
            ratio.append((one[-1] / figures[1], two[-1] / figures[0]))
        _, ms, rate, passes, optimizer, pack = (statistics.median(column) for column in zip(*mine))
        print("%2d %4d %4d %3d %3d  %8.1f %8.0f  %7.1f %7.1f %7.1f  %8.1f %8.1f  %6.2f %6.2f" % (
            *case, ms, rate, passes, optimizer, pack, statistics.median(one), statistics.median(two),
            *(statistics.median(column) for column in zip(*ratio))), flush=True)
    print("kernel %s" % kernel)


if len(sys.argv) > 1 and sys.argv[1] == "--torch":
    torch_ms(*[int(v) for v in sys.argv[2:]])
else:
    main()

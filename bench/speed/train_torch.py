#!/usr/bin/python3
"""PyTorch's side of bench/speed/train.py: a process that is asked by lines of JSON.

It trains what bench/speed/train.c trains: embedding, one recurrent layer, last state, linear
layer, cross-entropy, clipping by the norm of all gradients, AdamW.  What a careful user would do is
done: batches are sorted by length within windows as ours are and made into tensors before the clock
starts; sequences lie time first; gradients of the embedding are sparse, with SparseAdam, since dense
Adam would walk over the whole table in every step.
"""
import json
import os
import sys
import time

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence

WINDOW = 50


def read_examples(path):
    items = np.fromfile(path, dtype=np.int32)
    n = int(items[0])
    length = items[1:1 + n]
    start = np.concatenate([[0], np.cumsum(length, dtype=np.int64)])
    return length, items[1 + n:1 + 2 * n], items[1 + 2 * n:], start


class Net(torch.nn.Module):
    def __init__(self, cell, directions, E, H, V):
        super().__init__()
        self.embedding = torch.nn.Embedding(V, E, sparse=True)
        kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[cell]
        self.rnn = kind(E, H, bidirectional=directions == 2)
        self.head = torch.nn.Linear(H * directions, 2)
        self.is_lstm = cell == "lstm"
        self.is_plain = directions == 1

    def forward(self, batch, layout):
        x = self.embedding(batch["token"])
        if layout == "packed":
            x = pack_padded_sequence(x, batch["length"])
        out, last = self.rnn(x)
        if layout == "padded" and self.is_plain:
            return self.head(out[batch["end"], batch["row"]])
        if self.is_lstm:
            last = last[0]
        return self.head(last.transpose(0, 1).reshape(last.shape[1], -1))

    def in_order(self):
        """Parameters as train.c has them."""
        return [self.embedding.weight] + list(self.rnn.parameters()) + list(self.head.parameters())

    def load(self, path):
        items = torch.from_numpy(np.fromfile(path, dtype=np.float32))
        at = 0
        with torch.no_grad():
            for p in self.in_order():
                p.copy_(items[at:at + p.numel()].view_as(p))
                at += p.numel()
        assert at == items.numel()

    def save(self, path):
        np.concatenate([p.detach().numpy().ravel() for p in self.in_order()]).tofile(path)


class Trainer:
    def __init__(self, net, optimizer="adamw", rate=1e-3, clip=1.0):
        self.net = net
        self.clip = clip
        self.loss = torch.nn.CrossEntropyLoss()
        dense = [p for p in net.parameters() if p is not net.embedding.weight]
        if optimizer == "sgd":
            self.optimizers = [torch.optim.SGD(net.parameters(), lr=rate)]
            return
        groups = [{"params": [p for p in dense if p.dim() > 1], "weight_decay": 0.01},
                  {"params": [p for p in dense if p.dim() == 1], "weight_decay": 0.0}]
        self.optimizers = [torch.optim.AdamW(groups, lr=rate), torch.optim.SparseAdam([net.embedding.weight], lr=rate)]

    def norm(self):
        """Of all gradients; clips them in place."""
        embedding = self.net.embedding.weight
        embedding.grad = embedding.grad.coalesce()
        parts = [embedding.grad.values()] + [p.grad for p in self.net.parameters() if p is not embedding]
        norm = torch.norm(torch.stack([torch.norm(g) for g in parts]))
        if self.clip > 0:
            scale = torch.clamp(self.clip / (norm + 1e-12), max=1.0)
            for g in parts:
                g.mul_(scale)
        return norm

    def step(self, batch, layout):
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        e = self.loss(self.net(batch, layout), batch["label"])
        e.backward()
        norm = self.norm()
        for optimizer in self.optimizers:
            optimizer.step()
        return float(e.detach()), float(norm)


def tensors(examples, rows):
    length, label, token, start = examples
    T = int(length[rows].max())
    padded = np.zeros((T, len(rows)), dtype=np.int64)
    for b, i in enumerate(rows):
        padded[:length[i], b] = token[start[i]:start[i + 1]]
    return {"token": torch.from_numpy(padded),
            "length": torch.from_numpy(length[rows].astype(np.int64)),
            "end": torch.from_numpy(length[rows].astype(np.int64) - 1),
            "row": torch.arange(len(rows)),
            "label": torch.from_numpy(label[rows].astype(np.int64))}


def deal(examples, batch, seed):
    """Batches of an epoch: dealt at random, sorted by length within a window, longest first."""
    length = examples[0]
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(length))
    batches = []
    for at in range(0, len(order), batch * WINDOW):
        window = order[at:at + batch * WINDOW]
        window = window[np.argsort(-length[window], kind="stable")]
        batches += [window[i:i + batch] for i in range(0, len(window), batch)]
    rng.shuffle(batches)
    return [tensors(examples, rows) for rows in batches]


def epoch(trainer, batches, layout):
    """Seconds on the wall and of the processor."""
    started = time.perf_counter(), time.process_time()
    for batch in batches:
        trainer.step(batch, layout)
    return time.perf_counter() - started[0], time.process_time() - started[1]


def main():
    # gradients that vanish over many steps become denormal numbers, which are very slow
    torch.set_flush_denormal(True)
    trainer = batches = None
    for line in sys.stdin:
        ask = json.loads(line)
        if ask["do"] == "versions":
            answer = {"torch": torch.__version__, "threads": torch.get_num_threads(),
                      "blas": os.environ.get("OPENBLAS_NUM_THREADS", "")}
        elif ask["do"] == "check":
            net = Net(*ask["net"])
            net.load(ask["weights"])
            examples = read_examples(ask["data"])
            rows = np.argsort(-examples[0][:ask["batch"]], kind="stable")
            batch = tensors(examples, rows)
            t = Trainer(net, ask["optimizer"], ask["rate"], ask["clip"])
            steps = [t.step(batch, ask["layout"]) for _ in range(ask["steps"])]
            net.save(ask["out"])
            answer = {"steps": steps}
        elif ask["do"] == "case":
            net = Net(*ask["net"])
            net.load(ask["weights"])
            trainer = Trainer(net)
            batches = deal(read_examples(ask["data"]), ask["batch"], ask["seed"])
            answer = {"seconds": epoch(trainer, batches[:2], ask["layout"])}
        elif ask["do"] == "run":
            answer = {"seconds": epoch(trainer, batches, ask["layout"])}
        print(json.dumps(answer), flush=True)


main()

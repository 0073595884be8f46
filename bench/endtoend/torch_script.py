#!/usr/bin/python3
"""From a file of texts and labels to a trained classifier, as a careful user of PyTorch writes it.

usage: torch_script.py TRAIN.tsv.gz VALID.tsv.gz [--net lstm|both] [--limit ROWS] [--seed N]

Words are lower-cased and counted, those of one row only are "unknown".  Embedding of 100, bidirectional
LSTM of 64, maximum over the steps, dropout; with --net both, a bag of words and pairs beside it, as
strong baselines have.  Batches of texts of like length are made once ("bucketing") and dealt anew for
each epoch; tables have sparse gradients; denormal numbers are flushed.  It stops when two epochs brought no
better accuracy on VALID.  Prints a line of JSON an epoch: seconds since the start (imports not counted), accuracy.
"""
import argparse
import collections
import gzip
import json
import re
import time

import numpy as np
import torch

WORD = re.compile(r"\w+|[^\w\s]")
MAX_TOKENS = 256
BUCKETS = 1 << 18
EPOCHS = 12
PATIENCE = 2


def read(path, limit):
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as f:
        names = f.readline().rstrip("\n").split("\t")
        rows = [line.rstrip("\n").split("\t") for line in f]
    rows = rows[:limit] if limit else rows
    return [WORD.findall(r[names.index("text")].lower()) for r in rows], [r[names.index("label")] for r in rows]


def features(words):
    """Hashes of words and pairs."""
    return [hash(w) % BUCKETS for w in words] + [hash(p) % BUCKETS for p in zip(words, words[1:])]


def encode(texts, number, has_bag):
    tokens = [np.array([number.get(w, 1) for w in t[:MAX_TOKENS]] or [1], np.int64) for t in texts]
    bags = [np.array(features(t) or [0], np.int64) for t in texts] if has_bag else None
    return tokens, bags


def batch_of(tokens, bags, labels, rows):
    padded = np.zeros((max(len(tokens[i]) for i in rows), len(rows)), np.int64)
    for b, i in enumerate(rows):
        padded[:len(tokens[i]), b] = tokens[i]
    batch = {"token": torch.from_numpy(padded), "label": torch.tensor([labels[i] for i in rows])}
    if bags is not None:
        sizes = np.array([len(bags[i]) for i in rows])
        batch["bag"] = torch.from_numpy(np.concatenate([bags[i] for i in rows]))
        batch["start"] = torch.from_numpy(np.cumsum(sizes) - sizes)
        batch["weight"] = torch.from_numpy(np.repeat(1 / np.sqrt(sizes), sizes).astype(np.float32))
    return batch


def buckets(tokens, bags, labels, size, rng):
    """Batches of texts that are nearly of one length."""
    order = sorted(rng.permutation(len(tokens)), key=lambda i: len(tokens[i]))
    return [batch_of(tokens, bags, labels, order[at:at + size]) for at in range(0, len(order), size)]


class Net(torch.nn.Module):
    def __init__(self, n_words, n_labels, has_bag):
        super().__init__()
        self.embedding = torch.nn.Embedding(n_words, 100, sparse=True)
        torch.nn.init.normal_(self.embedding.weight, 0, 0.1)
        self.rnn = torch.nn.LSTM(100, 64, bidirectional=True)
        with torch.no_grad():
            for name, p in self.rnn.named_parameters():
                if name.startswith("bias_ih"):
                    p[64:128] += 1
        self.dropout = torch.nn.Dropout(0.2)
        self.head = torch.nn.Linear(128, n_labels)
        self.has_bag = has_bag
        if has_bag:
            self.bag = torch.nn.EmbeddingBag(BUCKETS, 16, mode="sum", sparse=True)
            torch.nn.init.zeros_(self.bag.weight)
            self.bag_head = torch.nn.Linear(16, n_labels)

    def forward(self, batch):
        """Outputs of each branch."""
        out, _ = self.rnn(self.dropout(self.embedding(batch["token"])))
        out = out.masked_fill((batch["token"] == 0)[:, :, None], -1e4)
        outputs = [self.head(self.dropout(out.max(0).values))]
        if self.has_bag:
            outputs.append(self.bag_head(self.bag(batch["bag"], batch["start"], per_sample_weights=batch["weight"])))
        return outputs


def accuracy(net, batches):
    net.eval()
    with torch.inference_mode():
        right = sum(int((sum(net(b)).argmax(1) == b["label"]).sum()) for b in batches)
    net.train()
    return right / sum(len(b["label"]) for b in batches)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("train")
    parser.add_argument("valid")
    parser.add_argument("--net", default="lstm")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    ask = parser.parse_args()
    torch.manual_seed(ask.seed)
    torch.set_flush_denormal(True)
    rng = np.random.default_rng(ask.seed)
    started = time.perf_counter()

    has_bag = ask.net == "both"
    texts, labels = read(ask.train, ask.limit)
    valid_texts, valid_labels = read(ask.valid, ask.limit)
    counts = collections.Counter(w for t in texts for w in set(t))
    number = {w: 2 + i for i, (w, _) in enumerate((w, n) for w, n in counts.most_common() if n > 1)}
    kinds = {label: i for i, label in enumerate(sorted(set(labels)))}
    size = 64 if len(texts) > 50000 else 32
    train = buckets(*encode(texts, number, has_bag), [kinds[x] for x in labels], size, rng)
    valid = buckets(*encode(valid_texts, number, has_bag), [kinds.get(x, -1) for x in valid_labels], 256, rng)

    net = Net(2 + len(number), len(kinds), has_bag)
    tables = [net.embedding.weight] + ([net.bag.weight] if has_bag else [])
    dense = [p for p in net.parameters() if all(p is not t for t in tables)]
    optimizers = [torch.optim.AdamW(dense, lr=2e-3), torch.optim.SparseAdam(tables, lr=2e-3)]
    loss = torch.nn.CrossEntropyLoss()
    best, stale = 0.0, 0
    for epoch in range(1, EPOCHS + 1):
        rng.shuffle(train)
        for batch in train:
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)
            sum(loss(out, batch["label"]) for out in net(batch)).backward()
            torch.nn.utils.clip_grad_norm_(dense, 1.0)
            for optimizer in optimizers:
                optimizer.step()
        found = accuracy(net, valid)
        print(json.dumps({"epoch": epoch, "seconds": time.perf_counter() - started, "accuracy": found}), flush=True)
        stale = 0 if found > best else stale + 1
        best = max(best, found)
        if stale >= PATIENCE:
            break


main()

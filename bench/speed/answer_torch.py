#!/usr/bin/python3
"""PyTorch's side of bench/speed/answer.py: a process that is asked by lines of JSON.

Batches are made into tensors before the clock starts; layouts are "padded", whose last states are
gathered, and "packed".
"""
import json
import sys
import time

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence

import weights
import batches


class Net(torch.nn.Module):
    def __init__(self, path):
        super().__init__()
        w = {name: torch.from_numpy(t.copy()) for name, t in weights.read(path).items()}
        self.embedding = torch.nn.Embedding.from_pretrained(w["embedding.weight"])
        H = w["rnn.weight_hh_l0"].shape[1]
        self.rnn = torch.nn.LSTM(self.embedding.embedding_dim, H)
        self.head = torch.nn.Linear(H, len(w["head.weight"]))
        names = ["rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "rnn.bias_hh_l0"]
        with torch.no_grad():
            for p, name in zip(self.rnn.parameters(), names):
                p.copy_(w[name].view_as(p))
            self.head.weight.copy_(w["head.weight"])
            self.head.bias.copy_(w["head.bias"].view(-1))

    def forward(self, token, length, layout):
        x = self.embedding(token)
        if layout == "packed":
            _, (h, _) = self.rnn(pack_padded_sequence(x, length))
            h = h[0]
        else:
            out, _ = self.rnn(x)
            h = out[length - 1, torch.arange(len(length))]
        return torch.softmax(self.head(h), 1)


def main():
    net = made = None
    torch.set_flush_denormal(True)
    for line in sys.stdin:
        ask = json.loads(line)
        if ask["do"] == "case":
            net = Net(ask["model"]).eval()
            made = [(rows, torch.from_numpy(token).long(), torch.from_numpy(length).long())
                    for rows, token, length in batches.read(ask["batches"])]
        with torch.inference_mode():
            started = time.perf_counter(), time.process_time()
            outs = [net(token, length, ask["layout"]) for _, token, length in made]
            took = time.perf_counter() - started[0], time.process_time() - started[1]
        if ask["do"] == "case":
            out = np.empty((sum(len(r) for r, _, _ in made), outs[0].shape[1]), np.float32)
            for (rows, _, _), o in zip(made, outs):
                out[rows] = o.numpy()
            out.tofile(ask["out"])
        print(json.dumps({"seconds": took}), flush=True)


main()

#!/usr/bin/python3
"""
make_token_golden.py: what PyTorch says of the softmax over a vocabulary, for
test/unit/test_token_loss.c.

Run it in this directory with Debian's python3-torch (made with 1.13):

    /usr/bin/python3 make_token_golden.py

It writes token.golden in the format of make_golden.py.  A case has "shape" (V,
E, M), "smoothing", "weight" (V, E), "bias" (V), "label" (M; -1 is ignored), the
mean "loss" and its "grad weight", "grad bias".  An untied case has "x" (M, E)
and "grad x"; in a tied one x is row "input" (M) of the weight itself, whose
gradient holds both parts.  PyTorch computes in double from numbers that are
exact in single precision.
"""
import struct

import torch
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(20240301)


def uniform(*shape, bound):
    return ((2 * torch.rand(*shape) - 1) * bound).float().double()


def record(file, name, kind, code, items):
    name = name.encode()
    payload = items.encode() if kind == 2 else struct.pack(f"<{len(items)}{code}", *items)
    file.write(struct.pack("<I", len(name)) + name + struct.pack("<II", kind, len(items)) + payload)


def write_case(file, name, V, E, M, smoothing, is_tied):
    weight = uniform(V, E, bound=1.0).requires_grad_()
    bias = uniform(V, bound=1.0).requires_grad_()
    label = torch.randint(0, V, (M,))
    label[torch.rand(M) < 0.2] = -1
    label[0] = V - 1
    record(file, "case", 2, "", name)
    record(file, "shape", 1, "i", [V, E, M])
    record(file, "smoothing", 0, "f", [smoothing])
    if is_tied:
        tokens = torch.randint(0, V, (M,))
        record(file, "input", 1, "i", tokens.tolist())
        x = F.embedding(tokens, weight)
    else:
        x = uniform(M, E, bound=1.5).requires_grad_()
    loss = F.cross_entropy(F.linear(x, weight, bias), label, ignore_index=-1, label_smoothing=smoothing)
    loss.backward()
    arrays = {"weight": weight, "bias": bias, "loss": loss, "grad weight": weight.grad, "grad bias": bias.grad}
    if not is_tied:
        arrays.update({"x": x, "grad x": x.grad})
    record(file, "label", 1, "i", label.tolist())
    for key, tensor in arrays.items():
        record(file, key, 0, "f", tensor.detach().reshape(-1).tolist())


with open("token.golden", "wb") as out:
    line = f"NNGOLDEN 1 made by test/golden/make_token_golden.py with PyTorch {torch.__version__}"
    out.write(line.encode().ljust(95) + b"\n")
    write_case(out, "plain", 53, 6, 17, 0.0, False)
    write_case(out, "smoothed", 53, 6, 17, 0.125, False)
    write_case(out, "two blocks", 1100, 4, 9, 0.125, False)
    write_case(out, "tied", 53, 6, 17, 0.0, True)
    write_case(out, "tied, smoothed", 53, 6, 17, 0.125, True)

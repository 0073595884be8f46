#!/usr/bin/python3
"""
make_attention_golden.py: what PyTorch says, for test/unit/test_attention.c.

Run it in this directory as make_golden.py, whose file format it shares:

    /usr/bin/python3 make_attention_golden.py

Attention is computed in double over padded batches, with bmm and a mask, from
numbers that are exact in single precision.  Sequences stand longest first and
arrays are written as PyTorch packs them, which is how nn/net.h packs them too.
Each case holds:

    size                  D
    source_length, target_length, source_of
    h, s, W               inputs
    d_context, d_weight   gradients that come in; d_weight and weight (N, longest source)
    context, weight       outputs
    d_h, d_s, d_W         gradients of sum(context * d_context) + sum(weight * d_weight)
"""
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, PackedSequence

import make_golden
from make_golden import uniform

torch.manual_seed(20240301)


class Golden(make_golden.Golden):
    """The same, but naming the script that makes it."""

    def __init__(self, path):
        super().__init__(path)
        self.file.seek(0)
        line = (f"NNGOLDEN {make_golden.VERSION} made by test/golden/make_attention_golden.py "
                f"with PyTorch {torch.__version__}")
        self.file.write(line.encode().ljust(95) + b"\n")


def padded(packed, lengths):
    """(N, D) as nn/net.h packs it -> (B, T, D)."""
    active = [sum(length > t for length in lengths) for t in range(lengths[0])]
    return pad_packed_sequence(PackedSequence(packed, torch.tensor(active)), batch_first=True)[0]


def packed(batch, lengths):
    return pack_padded_sequence(batch, torch.tensor(lengths), batch_first=True).data


def attend(h, states, lengths, W):
    """Luong's general score: h (B, T, D); states (B, S, D), of which lengths (B) count."""
    scores = torch.bmm(h @ W, states.transpose(1, 2))
    outside = torch.arange(states.shape[1])[None, None, :] >= lengths[:, None, None]
    weight = scores.masked_fill(outside, -torch.inf).softmax(dim=2)
    return torch.bmm(weight, states), weight


def write_case(golden, name, D, source_length, target_length, source_of):
    n_source, n_target = sum(source_length), sum(target_length)
    h = uniform(n_target, D).requires_grad_()
    s = uniform(n_source, D).requires_grad_()
    W = uniform(D, D, bound=2 / D ** 0.5).requires_grad_()
    states = padded(s, source_length)[torch.tensor(source_of)]
    lengths = torch.tensor(source_length)[torch.tensor(source_of)]
    context, weight = attend(padded(h, target_length), states, lengths, W)
    context, weight = packed(context, target_length), packed(weight, target_length)
    d_context, d_weight = uniform(*context.shape), uniform(*weight.shape)
    ((context * d_context).sum() + (weight * d_weight).sum()).backward()

    golden.text("case", name)
    golden.ints("size", [D])
    golden.ints("source_length", source_length)
    golden.ints("target_length", target_length)
    golden.ints("source_of", source_of)
    for key, value in (("h", h), ("s", s), ("W", W), ("d_context", d_context), ("d_weight", d_weight),
                       ("context", context), ("weight", weight),
                       ("d_h", h.grad), ("d_s", s.grad), ("d_W", W.grad)):
        golden.floats(key, value)


if __name__ == "__main__":
    file = Golden("attention.golden")
    write_case(file, "pairs", 12, [7, 5, 5, 3, 1], [6, 4, 4, 2, 1], [2, 0, 4, 1, 3])
    write_case(file, "one step of a beam", 9, [6, 4, 1], [1] * 9, [0, 0, 0, 1, 1, 1, 2, 2, 2])
    write_case(file, "sources shared by rows of many lengths, one looked at by none", 16, [20, 3, 2],
               [30, 25, 20, 7, 1], [0, 2, 0, 0, 2])

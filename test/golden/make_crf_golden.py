#!/usr/bin/python3
"""
make_crf_golden.py: what PyTorch says of a CRF, for test/unit/test_crf.c.

Run it in this directory with Debian's python3-torch (made with 1.13):

    /usr/bin/python3 make_crf_golden.py

It writes crf.golden in the format of make_golden.py.  The loss is the forward
recursion written out with logsumexp, one sequence at a time, and autograd gives
the gradients; in double from numbers that are exact in single precision.
Emissions and tags stand sequence by sequence, longest first.
"""
import torch

from make_golden import VERSION, Golden, uniform


class CrfGolden(Golden):
    def __init__(self, path):
        self.file = open(path, "wb")
        line = f"NNGOLDEN {VERSION} made by test/golden/make_crf_golden.py with PyTorch {torch.__version__}"
        self.file.write(line.encode().ljust(95) + b"\n")


def loss_of(start, transition, end, emission, tag):
    """-log p(tag | emission) of one sequence."""
    score = start[tag[0]] + emission[0, tag[0]]
    alpha = start + emission[0]
    for t in range(1, len(tag)):
        score = score + transition[tag[t - 1], tag[t]] + emission[t, tag[t]]
        alpha = torch.logsumexp(alpha[:, None] + transition, dim=0) + emission[t]
    return torch.logsumexp(alpha + end, dim=0) - (score + end[tag[-1]])


def write_case(golden, name, n_tags, lengths, bound_emission=3.0, bound_transition=2.0):
    scores = dict(start=uniform(n_tags, bound=bound_transition),
                  transition=uniform(n_tags, n_tags, bound=bound_transition),
                  end=uniform(n_tags, bound=bound_transition),
                  emission=uniform(sum(lengths), n_tags, bound=bound_emission))
    tag = torch.randint(0, n_tags, (sum(lengths),))
    for tensor in scores.values():
        tensor.requires_grad_()
    loss, first = torch.zeros(()), 0
    for length in lengths:
        rows = slice(first, first + length)
        if length > 0:
            loss = loss + loss_of(scores["start"], scores["transition"], scores["end"],
                                  scores["emission"][rows], tag[rows])
        first += length
    loss.backward()

    golden.text("case", name)
    golden.ints("n_tags", [n_tags])
    golden.ints("length", lengths)
    golden.ints("tag", tag.tolist())
    for key, tensor in scores.items():
        golden.floats("data " + key, tensor)
        golden.floats("grad " + key, tensor.grad)
    golden.floats("loss", loss.reshape(1))


if __name__ == "__main__":
    torch.manual_seed(20240229)
    golden = CrfGolden("crf.golden")
    mixed = [9, 7, 7, 4, 2, 1, 1]
    write_case(golden, "1 tag", 1, [3, 2, 1])
    write_case(golden, "2 tags", 2, mixed)
    write_case(golden, "9 tags, mixed lengths", 9, mixed)
    write_case(golden, "9 tags, with empty sequences", 9, [5, 5, 1, 0, 0])
    write_case(golden, "17 tags, one long sequence", 17, [60])
    write_case(golden, "37 tags, mixed lengths", 37, mixed)
    write_case(golden, "5 tags, emissions up to 50", 5, mixed, bound_emission=50.0)
    write_case(golden, "6 tags, transitions up to 100", 6, mixed, bound_transition=100.0)

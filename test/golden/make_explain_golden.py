#!/usr/bin/python3
"""
make_explain_golden.py: what integrated gradients are, for test/unit/test_explain_golden.c.

Run it in this directory as make_golden.py, whose networks and file format it shares:

    /usr/bin/python3 make_explain_golden.py

The definition is Captum's (IntegratedGradients, and LayerIntegratedGradients over the
embedding): with baseline zero, attributions are the input times the mean of the
gradients at points of the way from zero to it; here at the middles of 4000 equal parts,
in double.  A token's attribution is the sum over its embedding.  Each case holds:

    spec, data ...        as in make_golden.py
    text, token           a text, and the tokens of it (test/unit/file_case.c's vocabulary)
    numbers               or the standardized numbers, steps x channels
    label                 the output that is explained
    weight                attributions, of tokens or of numbers
    score                 the output for the input and for zero
"""
import torch

import make_golden
from make_golden import (ATTENTION, CLASSIFY, FIELDS, FLAT, GRU, LAST, LSTM, MAX, MEAN, NONE, REGRESS, RNN, SERIES,
                         TEXT, VECTOR, Net, uniform)

torch.manual_seed(20240302)
N_POINTS = 4000
CHUNK = 500

# The tokens of file_case.c: bytes, then two units, then two words.  The unit "ing" is never
# reached, for no unit is a part of it.
UNITS = {"th": 256}
WORDS = {"cat": 258, "d\u00f6g": 259}


class Golden(make_golden.Golden):
    """The same, but naming the script that makes it."""

    def __init__(self, path):
        super().__init__(path)
        self.file.seek(0)
        line = (f"NNGOLDEN {make_golden.VERSION} made by test/golden/make_explain_golden.py "
                f"with PyTorch {torch.__version__}")
        self.file.write(line.encode().ljust(95) + b"\n")


def tokens_of(text):
    """A word of the vocabulary is a token; another is cut into units, and bytes."""
    tokens = []
    for word in text.split():
        if word in WORDS:
            tokens.append(WORDS[word])
            continue
        while word:
            unit = next((u for u in UNITS if word.startswith(u)), None)
            if unit is not None:
                tokens.append(UNITS[unit])
                word = word[len(unit):]
            else:
                tokens += list(word[0].encode())
                word = word[1:]
    return tokens


def forward(net, x):
    """Outputs (B, C) for rows of numbers x (B, T, E): Net's own, behind its embedding."""
    spec = net.spec
    out = 0
    if spec["cell"] != NONE:
        steps = {"steps": list(x)}
        kind, spec["input"] = spec["input"], SERIES
        out = net.scale[0] * net.head(net.pooled(steps))
        spec["input"] = kind
    if spec["wide"] == FLAT:
        out = out + net.scale[1] * net.wide_head(torch.tanh(net.flat(x.reshape(len(x), -1))))
    return out


def integrated_gradients(net, x, label):
    """x (T, E): attributions (T, E), and the score of x and of zero."""
    total = torch.zeros_like(x)
    for first in range(0, N_POINTS, CHUNK):
        way = (torch.arange(first, first + CHUNK) + 0.5) / N_POINTS
        points = (way[:, None, None] * x[None]).requires_grad_()
        forward(net, points)[:, label].sum().backward()
        total += points.grad.sum(dim=0)
    with torch.no_grad():
        ends = forward(net, torch.stack([x, torch.zeros_like(x)]))[:, label]
    return x * total / N_POINTS, ends


def write_case(golden, name, spec, text=None, steps=None, label=0):
    spec = {field: spec.get(field, 0) for field in FIELDS}
    net = Net(spec)
    golden.text("case", name)
    golden.ints("spec", [spec[field] for field in FIELDS])
    for key, value in net.state_dict().items():
        if key == "attention.weight":
            value = value.reshape(-1)
        golden.floats(f"data {key}", value)
    if text is not None:
        tokens = tokens_of(text)
        golden.record("text", 2, len(text.encode()), text.encode())
        golden.ints("token", tokens)
        x = net.embedding.weight.detach()[torch.tensor(tokens)]
    else:
        x = uniform(steps, spec["embedding"], bound=1.5)
        golden.floats("numbers", x)
    weight, ends = integrated_gradients(net, x, label)
    golden.ints("label", [label])
    golden.floats("weight", weight.sum(dim=1) if text is not None else weight)
    golden.floats("score", ends)


def text_spec(cell, n_layers, is_bidirectional, pool, task=CLASSIFY, hidden=9):
    return dict(task=task, input=TEXT, n_outputs=3 if task == CLASSIFY else 1, cell=cell, n_layers=n_layers, hidden=hidden,
                is_bidirectional=int(is_bidirectional), pool=pool, vocabulary=260, embedding=6)


golden = Golden("explain.golden")
TEXT_LONG = "cat thing d\u00f6g in the cat xyz thth ingcat d\u00f6g d\u00f6g cat"
write_case(golden, "lstm, both directions, max and mean", text_spec(LSTM, 1, True, MAX | MEAN), TEXT_LONG, label=2)
write_case(golden, "lstm, one direction, last", text_spec(LSTM, 1, False, LAST), "cat thing d\u00f6g", label=0)
write_case(golden, "gru, two layers, attention", text_spec(GRU, 2, True, ATTENTION), TEXT_LONG, label=1)
write_case(golden, "rnn, two layers, all poolings", text_spec(RNN, 2, True, LAST | MAX | MEAN | ATTENTION), TEXT_LONG, label=1)
write_case(golden, "one token", text_spec(LSTM, 1, True, MAX | MEAN), "cat", label=1)
write_case(golden, "a number of a text", text_spec(GRU, 1, True, MEAN, REGRESS), TEXT_LONG)
write_case(golden, "series and a dense layer",
           dict(task=CLASSIFY, input=SERIES, n_outputs=3, cell=LSTM, n_layers=1, hidden=7, is_bidirectional=1, pool=MAX | MEAN,
                embedding=2, wide=FLAT, wide_inputs=16, wide_hidden=5), steps=8, label=2)
write_case(golden, "series, a number",
           dict(task=REGRESS, input=SERIES, n_outputs=1, cell=GRU, n_layers=1, hidden=5, pool=LAST, embedding=3), steps=11)
write_case(golden, "vector",
           dict(task=CLASSIFY, input=VECTOR, n_outputs=4, embedding=9, wide=FLAT, wide_inputs=9, wide_hidden=6), steps=1, label=3)
golden.file.close()

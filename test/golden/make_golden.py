#!/usr/bin/python3
"""
make_golden.py: what PyTorch says, for test/unit/test_golden.c.

Run it in this directory with Debian's python3-torch (made with 1.13):

    /usr/bin/python3 make_golden.py

It writes *.golden: small networks with random weights, batches of rows, and
PyTorch's outputs, loss and all gradients for them.  PyTorch computes in double
from numbers that are exact in single precision, so a difference found by the
test is ours.  The networks are torch.nn modules put together as nn/spec.h says;
packed sequences, so that PyTorch sees no padding either.

A file is one line of text (magic, version, hint) filled with spaces to 96
bytes, then records, little endian:

    u32 length of name, name, u32 kind, u32 n, n items of 4 bytes
    kind 0: float32, 1: int32, 2: text (n bytes, no padding)

A record named "case" (text) begins a case.  "spec" holds the fields of NnSpec
in their order.  "data <tensor>" and "grad <tensor>" are named as PyTorch does.
"""
import struct

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

VERSION = 1
CLASSIFY, REGRESS = 0, 1
TEXT, SERIES, VECTOR = 0, 1, 2
NONE, RNN, LSTM, GRU = 0, 1, 2, 3
BAG, FLAT = 1, 2
LAST, MAX, MEAN, ATTENTION = 1, 2, 4, 8
FIELDS = ("task input n_outputs cell n_layers hidden is_bidirectional pool "
          "vocabulary embedding wide wide_inputs wide_hidden").split()

torch.set_default_dtype(torch.float64)
torch.manual_seed(20240229)


class Golden:
    """A file of records."""

    def __init__(self, path):
        self.file = open(path, "wb")
        line = f"NNGOLDEN {VERSION} made by test/golden/make_golden.py with PyTorch {torch.__version__}"
        self.file.write(line.encode().ljust(95) + b"\n")

    def record(self, name, kind, n, payload):
        name = name.encode()
        self.file.write(struct.pack("<I", len(name)) + name + struct.pack("<II", kind, n) + payload)

    def text(self, name, value):
        self.record(name, 2, len(value), value.encode())

    def floats(self, name, tensor):
        items = torch.as_tensor(tensor).detach().reshape(-1).tolist()
        self.record(name, 0, len(items), struct.pack(f"<{len(items)}f", *items))

    def ints(self, name, items):
        self.record(name, 1, len(items), struct.pack(f"<{len(items)}i", *items))


def single(tensor):
    """The nearest numbers of single precision."""
    return tensor.to(torch.float32).to(torch.float64)


def uniform(*shape, bound=1.0):
    return single((2 * torch.rand(*shape) - 1) * bound)


class Net(nn.Module):
    """nn/spec.h in torch.nn's words; parameter names are the project's tensor names."""

    def __init__(self, spec, is_sparse=False):
        super().__init__()
        self.spec = spec
        outputs = spec["n_outputs"]
        if spec["cell"] != NONE:
            if spec["input"] == TEXT:
                self.embedding = nn.Embedding(spec["vocabulary"], spec["embedding"], sparse=is_sparse)
            cell = {RNN: nn.RNN, LSTM: nn.LSTM, GRU: nn.GRU}[spec["cell"]]
            self.rnn = cell(spec["embedding"], spec["hidden"], spec["n_layers"],
                            bidirectional=bool(spec["is_bidirectional"]))
            width = spec["hidden"] * (2 if spec["is_bidirectional"] else 1)
            if spec["pool"] & ATTENTION:
                self.attention = nn.Linear(width, 1, bias=False)
            self.head = nn.Linear(width * bin(spec["pool"]).count("1"), outputs)
        if spec["wide"] == BAG:
            self.bag = nn.EmbeddingBag(spec["wide_inputs"], spec["wide_hidden"], mode="sum")
        if spec["wide"] == FLAT:
            self.flat = nn.Linear(spec["wide_inputs"], spec["wide_hidden"])
        if spec["wide"]:
            self.wide_head = nn.Linear(spec["wide_hidden"], outputs)
        self.scale = nn.Parameter(torch.ones(2), requires_grad=False)
        for name, parameter in self.named_parameters():
            bound = 2 / parameter.shape[1] ** 0.5 if parameter.dim() == 2 else 0.8
            if name in ("embedding.weight", "bag.weight"):
                bound = 0.8
            parameter.data = uniform(*parameter.shape, bound=bound) + (1 if name == "scale" else 0)
            parameter.data = single(parameter.data)

    def pooled(self, rows):
        lengths = torch.tensor([len(x) for x in rows["steps"]])
        steps = [self.embedding(x) if self.spec["input"] == TEXT else x for x in rows["steps"]]
        packed = pack_padded_sequence(pad_sequence(steps), lengths)
        packed, last = self.rnn(packed)
        h, _ = pad_packed_sequence(packed)                  # (T, B, D)
        if self.spec["cell"] == LSTM:
            last = last[0]
        parts = []
        if self.spec["pool"] & LAST:
            directions = 2 if self.spec["is_bidirectional"] else 1
            parts.append(torch.cat(list(last[-directions:]), dim=1))
        outside = torch.arange(h.shape[0])[:, None, None] >= lengths[None, :, None]
        if self.spec["pool"] & MAX:
            parts.append(h.masked_fill(outside, -torch.inf).max(dim=0).values)
        if self.spec["pool"] & MEAN:
            parts.append(h.masked_fill(outside, 0).sum(dim=0) / lengths[:, None])
        if self.spec["pool"] & ATTENTION:
            weight = self.attention(h).masked_fill(outside, -torch.inf).softmax(dim=0)
            parts.append((weight * h).sum(dim=0))
        return torch.cat(parts, dim=1)

    def forward(self, rows):
        """Outputs of the branches, and the vectors below the heads."""
        out, hidden = {}, []
        if self.spec["cell"] != NONE:
            hidden.append(self.pooled(rows))
            out["recurrent_out"] = self.head(hidden[-1])
        if self.spec["wide"] == BAG:
            starts = torch.tensor([0] + [len(x) for x in rows["bag_row"][:-1]]).cumsum(0)
            hidden.append(self.bag(torch.cat(rows["bag_row"]), starts,
                                   per_sample_weights=torch.cat(rows["bag_weight"])))
        if self.spec["wide"] == FLAT:
            hidden.append(torch.tanh(self.flat(rows["flat"])))
        if self.spec["wide"]:
            out["wide_out"] = self.wide_head(hidden[-1])
        return out, torch.cat(hidden, dim=1)


def make_rows(spec, lengths):
    """Random rows, longest first."""
    n = len(lengths)
    rows = {}
    if spec["cell"] != NONE:
        rows["steps"] = [torch.randint(0, 12, (length,)) if spec["input"] == TEXT
                         else uniform(length, spec["embedding"], bound=2) for length in lengths]
    if spec["wide"] == BAG:
        sizes = [1 + i % 5 for i in range(n)]
        rows["bag_row"] = [torch.randint(0, spec["wide_inputs"], (size,)) for size in sizes]
        rows["bag_weight"] = [single(torch.full((size,), size ** -0.5)) for size in sizes]
    if spec["wide"] == FLAT:
        rows["flat"] = uniform(n, spec["wide_inputs"], bound=2)
    if spec["task"] == CLASSIFY:
        rows["label"] = torch.randint(0, spec["n_outputs"], (n,))
    else:
        rows["target"] = uniform(n, spec["n_outputs"], bound=2)
    return rows


def loss_of(spec, out, rows, class_weight=None, label_smoothing=0.0):
    """The sum of the branches' losses."""
    if spec["task"] == CLASSIFY:
        loss = nn.CrossEntropyLoss(weight=class_weight, label_smoothing=label_smoothing)
        return sum(loss(z, rows["label"]) for z in out.values())
    loss = nn.MSELoss(reduction="sum")
    return sum(0.5 * loss(z, rows["target"]) / len(z) for z in out.values())


def make_spec(**fields):
    spec = dict.fromkeys(FIELDS, 0)
    spec.update(task=CLASSIFY, n_outputs=3)
    spec.update(fields)
    return spec


def write_rows(golden, spec, lengths, rows):
    golden.ints("length", lengths)
    if "steps" in rows:
        if spec["input"] == TEXT:
            golden.ints("token", torch.cat(rows["steps"]).tolist())
        else:
            golden.floats("values", torch.cat(rows["steps"]))
    if "bag_row" in rows:
        golden.ints("bag_n", [len(x) for x in rows["bag_row"]])
        golden.ints("bag_row", torch.cat(rows["bag_row"]).tolist())
        golden.floats("bag_weight", torch.cat(rows["bag_weight"]))
    for name in ("flat", "target"):
        if name in rows:
            golden.floats(name, rows[name])
    if "label" in rows:
        golden.ints("label", rows["label"].tolist())


def write_case(golden, name, spec, lengths, class_weight=None, label_smoothing=0.0):
    net = Net(spec)
    rows = make_rows(spec, lengths)
    out, hidden = net(rows)
    loss = loss_of(spec, out, rows, class_weight, label_smoothing)
    loss.backward()

    golden.text("case", name)
    golden.ints("spec", [int(spec[field]) for field in FIELDS])
    write_rows(golden, spec, lengths, rows)
    if class_weight is not None:
        golden.floats("class_weight", class_weight)
    golden.floats("label_smoothing", [label_smoothing])
    for tensor_name, parameter in net.named_parameters():
        golden.floats("data " + tensor_name, parameter)
        if parameter.requires_grad:
            golden.floats("grad " + tensor_name, parameter.grad)
    for output_name, output in out.items():
        golden.floats(output_name, output)
    total = sum(net.scale[0 if key == "recurrent_out" else 1] * z for key, z in out.items())
    golden.floats("out", total)
    golden.floats("hidden", hidden)
    golden.floats("loss", loss.reshape(1))


def write_cells():
    """Each cell, one- and bidirectional, one and two layers, under all poolings."""
    for cell, name in ((RNN, "rnn"), (LSTM, "lstm"), (GRU, "gru")):
        golden = Golden(name + ".golden")
        for is_bidirectional in (0, 1):
            for n_layers in (1, 2):
                spec = make_spec(cell=cell, n_layers=n_layers, is_bidirectional=is_bidirectional,
                                 input=TEXT, vocabulary=256, embedding=6, hidden=11,
                                 pool=LAST | MAX | MEAN | ATTENTION)
                write_case(golden, f"{name}, {n_layers} layer(s), {1 + is_bidirectional} direction(s), text",
                           spec, [9, 7, 7, 4, 2, 1, 1])
                spec = dict(spec, input=SERIES, vocabulary=0, embedding=3, hidden=5, pool=LAST)
                write_case(golden, f"{name}, {n_layers} layer(s), {1 + is_bidirectional} direction(s), series, last",
                           spec, [6, 3, 1])


def write_heads():
    """Losses and the wide branch."""
    golden = Golden("heads.golden")
    text = dict(input=TEXT, cell=LSTM, n_layers=1, hidden=4, vocabulary=256, embedding=3, pool=MAX | MEAN)
    series = dict(input=SERIES, cell=GRU, n_layers=1, hidden=4, embedding=3, pool=MEAN)
    bag = dict(wide=BAG, wide_inputs=30, wide_hidden=6)
    flat = dict(wide=FLAT, wide_inputs=9, wide_hidden=5)
    weight = single(torch.tensor([0.3, 1.0, 2.5]))
    lengths = [5, 4, 4, 2, 1]

    write_case(golden, "class weights", make_spec(**text), lengths, class_weight=weight)
    write_case(golden, "label smoothing", make_spec(**text), lengths, label_smoothing=0.125)
    write_case(golden, "class weights and label smoothing", make_spec(**text), lengths,
               class_weight=weight, label_smoothing=0.125)
    write_case(golden, "regression of two numbers", make_spec(**dict(series, task=REGRESS, n_outputs=2)), lengths)
    write_case(golden, "bag alone", make_spec(input=TEXT, **bag), [0] * 5)
    write_case(golden, "recurrent and bag", make_spec(**text, **bag), lengths, class_weight=weight)
    write_case(golden, "recurrent and flat", make_spec(**series, **flat), lengths)
    write_case(golden, "vector, flat, regression",
               make_spec(input=VECTOR, cell=RNN, n_layers=1, hidden=4, embedding=9, pool=LAST,
                         task=REGRESS, n_outputs=1, **flat), [1] * 5)


def write_training():
    """
    Ten steps of AdamW (torch.optim.AdamW; SparseAdam for the embedding), each on
    a batch of its own, gradients clipped to a norm; the loss before each step.
    """
    golden = Golden("training.golden")
    rate, rate_embedding, decay, clip = 0.02, 0.05, 0.1, 0.5
    spec = make_spec(input=TEXT, cell=LSTM, n_layers=1, hidden=7, is_bidirectional=1,
                     vocabulary=256, embedding=5, pool=MAX | MEAN | ATTENTION)
    net = Net(spec, is_sparse=True)
    matrices, biases, tables = [], [], [net.embedding.weight]
    golden.text("case", "initial weights")
    golden.ints("spec", [int(spec[field]) for field in FIELDS])
    for name, parameter in net.named_parameters():
        golden.floats("data " + name, parameter)
        if name not in ("embedding.weight", "scale"):
            (matrices if parameter.dim() == 2 else biases).append(parameter)
    golden.floats("options", [rate, rate_embedding, decay, clip])
    dense = torch.optim.AdamW([dict(params=matrices, weight_decay=decay),
                               dict(params=biases, weight_decay=0.0)], lr=rate)
    sparse = torch.optim.SparseAdam(tables, lr=rate_embedding)
    lengths = [8, 6, 5, 5, 3, 2]
    batches = [make_rows(spec, lengths) for _ in range(3)]
    for step in range(10):
        rows = batches[step % 3]
        dense.zero_grad()
        sparse.zero_grad()
        loss = loss_of(spec, net(rows)[0], rows)
        loss.backward()
        net.embedding.weight.grad = net.embedding.weight.grad.coalesce()
        gradients = [p.grad for p in matrices + biases] + [net.embedding.weight.grad._values()]
        norm = sum((g ** 2).sum() for g in gradients) ** 0.5
        if norm > clip:
            for gradient in gradients:
                gradient.mul_(clip / norm)
        dense.step()
        sparse.step()
        golden.text("case", f"step {step + 1}")
        write_rows(golden, spec, lengths, rows)
        golden.floats("loss", loss.reshape(1))
        golden.floats("norm", norm.reshape(1))
    golden.text("case", "final weights")
    for name, parameter in net.named_parameters():
        golden.floats("data " + name, parameter)


if __name__ == "__main__":
    write_cells()
    write_heads()
    write_training()

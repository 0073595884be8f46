#!/usr/bin/python3
"""
make_language_golden.py: what PyTorch says of language models, for
test/unit/test_language.c.

Run it in this directory as make_golden.py, whose file format it shares:

    /usr/bin/python3 make_language_golden.py

The networks are torch.nn modules: Embedding, RNN / LSTM / GRU, Linear where the
state has another width than the embedding, and the embedding's own weight as the
softmax over the next token.  PyTorch computes in double from numbers that are
exact in single precision.  A text is read in chunks; the state of one, detached,
begins the next.  Each case holds "spec", "data <tensor>", and of chunk k

    length k              of each sequence, longest first
    token k, label k      sequence by sequence; label -1 does not count
    back k                labels of the backward direction, where there is one
    smoothing k           label smoothing
    loss k, grad k <tensor>
    h k, c k              the state behind it, (L, B, H); not with two directions
"""
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

import make_golden
from make_golden import FIELDS, GRU, LSTM, RNN, TEXT, make_spec, uniform

LANGUAGE = 5
VOCABULARY = 256

torch.manual_seed(20240302)


class Golden(make_golden.Golden):
    """The same, but naming the script that makes it."""

    def __init__(self, path):
        super().__init__(path)
        self.file.seek(0)
        line = (f"NNGOLDEN {make_golden.VERSION} made by test/golden/make_language_golden.py "
                f"with PyTorch {torch.__version__}")
        self.file.write(line.encode().ljust(95) + b"\n")


class Net(nn.Module):
    """nn/language.c in torch.nn's words; parameter names are the project's tensor names."""

    def __init__(self, spec):
        super().__init__()
        E, H = spec["embedding"], spec["hidden"]
        self.H = H
        self.embedding = nn.Embedding(VOCABULARY, E)
        cell = {RNN: nn.RNN, LSTM: nn.LSTM, GRU: nn.GRU}[spec["cell"]]
        self.rnn = cell(E, H, spec["n_layers"], bidirectional=bool(spec["is_bidirectional"]))
        if H != E:
            self.readout = nn.Linear(H, E)
        if H != E and spec["is_bidirectional"]:
            self.readout_reverse = nn.Linear(H, E)
        self.output = nn.ParameterDict({"bias": nn.Parameter(torch.zeros(VOCABULARY))})
        for name, parameter in self.named_parameters():
            bound = 2 / parameter.shape[1] ** 0.5 if parameter.dim() == 2 else 0.8
            parameter.data = uniform(*parameter.shape, bound=0.8 if name == "embedding.weight" else bound)

    def states(self, tokens, state):
        """(B, T, directions * H), and the state behind."""
        steps = pad_sequence([self.embedding(x) for x in tokens])
        packed, state = self.rnn(pack_padded_sequence(steps, torch.tensor([len(x) for x in tokens])), state)
        return pad_packed_sequence(packed, batch_first=True)[0], state

    def logits(self, h, d):
        readout = getattr(self, ("readout", "readout_reverse")[d], nn.Identity())
        return F.linear(readout(h[..., d * self.H:(d + 1) * self.H]), self.embedding.weight, self.output["bias"])


def flat_loss(logits, labels, smoothing):
    """The mean over all labels that count."""
    rows = torch.cat([logits[b, :len(x)] for b, x in enumerate(labels)])
    return F.cross_entropy(rows, torch.cat(labels), ignore_index=-1, label_smoothing=smoothing)


def random_labels(lengths):
    labels = [torch.randint(0, VOCABULARY, (n,)) for n in lengths]
    for label in labels:
        label[torch.rand(len(label)) < 0.15] = -1
    labels[0][0] = VOCABULARY - 1
    return labels


def write_case(golden, name, chunks, smoothing=0.0, **fields):
    spec = make_spec(task=LANGUAGE, input=TEXT, n_outputs=0, vocabulary=VOCABULARY, **fields)
    net = Net(spec)
    golden.text("case", name)
    golden.ints("spec", [int(spec[field]) for field in FIELDS])
    for key, parameter in net.named_parameters():
        golden.floats("data " + key, parameter)
    state = None
    for k, lengths in enumerate(chunks):
        tokens = [torch.randint(0, 12, (n,)) for n in lengths]
        labels = [random_labels(lengths) for _ in range(2 if spec["is_bidirectional"] else 1)]
        net.zero_grad()
        h, state = net.states(tokens, state)
        loss = sum(flat_loss(net.logits(h, d), label, smoothing) for d, label in enumerate(labels)) / len(labels)
        loss.backward()
        golden.ints(f"length {k}", lengths)
        golden.ints(f"token {k}", torch.cat(tokens).tolist())
        for key, label in zip(("label", "back"), labels):
            golden.ints(f"{key} {k}", torch.cat(label).tolist())
        golden.floats(f"smoothing {k}", [smoothing])
        golden.floats(f"loss {k}", loss.reshape(1))
        for key, parameter in net.named_parameters():
            golden.floats(f"grad {k} {key}", parameter.grad)
        state = tuple(s.detach() for s in state) if spec["cell"] == LSTM else state.detach()
        if not spec["is_bidirectional"]:
            golden.floats(f"h {k}", state[0] if spec["cell"] == LSTM else state)
        if not spec["is_bidirectional"] and spec["cell"] == LSTM:
            golden.floats(f"c {k}", state[1])


if __name__ == "__main__":
    file = Golden("language.golden")
    two = [[7, 7, 7], [6, 4, 3]]
    write_case(file, "lstm, no readout", two, cell=LSTM, n_layers=1, hidden=5, embedding=5)
    write_case(file, "lstm, readout", two, cell=LSTM, n_layers=1, hidden=7, embedding=4)
    write_case(file, "lstm, two layers, readout, smoothing", two, smoothing=0.125,
               cell=LSTM, n_layers=2, hidden=6, embedding=4)
    write_case(file, "gru, two layers, no readout", two, cell=GRU, n_layers=2, hidden=5, embedding=5)
    write_case(file, "rnn, readout", two, cell=RNN, n_layers=1, hidden=6, embedding=4)
    write_case(file, "lstm, both directions, readouts", [[8, 5, 2, 1]],
               cell=LSTM, n_layers=1, hidden=6, embedding=4, is_bidirectional=1)
    write_case(file, "gru, both directions, no readout", [[5, 5, 3]],
               cell=GRU, n_layers=1, hidden=4, embedding=4, is_bidirectional=1)

#!/usr/bin/python3
"""
make_seq2seq_golden.py: what PyTorch says of translation and captions, for
test/unit/test_seq2seq.c.

Run it in this directory with Debian's python3-torch (made with 1.13):

    /usr/bin/python3 make_seq2seq_golden.py

It writes seq2seq.golden in the format of make_golden.py.  The networks are
torch.nn modules put together as nn/seq2seq.c says; one text goes through them at
a time, in double from numbers that are exact in single precision.  Each case
holds:

    spec, decoder       fields of NnSpec: those of make_golden.py; decoder_layers,
                        has_copy, channels
    source_length, source_token or source_values
    written_length, written_token, label, source_of
    label_smoothing
    data <tensor>, grad <tensor>
    log_p               (written tokens, vocabulary), copying included
    loss                mean over the labels >= 0
"""
import torch
from torch import nn

import make_golden
from make_golden import FIELDS, GRU, LSTM, RNN, SERIES, TEXT, VECTOR, uniform

TRANSLATE, CAPTION = 3, 4
VOCABULARY = 256
END = 0


class Golden(make_golden.Golden):
    """The same, but naming the script that makes it."""

    def __init__(self, path):
        super().__init__(path)
        self.file.seek(0)
        line = (f"NNGOLDEN {make_golden.VERSION} made by test/golden/make_seq2seq_golden.py "
                f"with PyTorch {torch.__version__}")
        self.file.write(line.encode().ljust(95) + b"\n")


class Net(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.spec = spec
        directions = 2 if spec["is_bidirectional"] else 1
        E, D = spec["embedding"], directions * spec["hidden"]
        cell = {RNN: nn.RNN, LSTM: nn.LSTM, GRU: nn.GRU}[spec["cell"]]
        self.D = D
        self.embedding = nn.Embedding(spec["vocabulary"], E)
        if spec["n_layers"] > 0:
            self.rnn = cell(E if spec["input"] == TEXT else spec["channels"], spec["hidden"], spec["n_layers"],
                            bidirectional=directions == 2)
        else:
            self.source = nn.Linear(spec["channels"], D)
        self.bridge = nn.Linear(D, spec["decoder_layers"] * D)
        self.decoder = cell(E, D)
        if spec["decoder_layers"] > 1:
            self.upper = cell(2 * D, D, spec["decoder_layers"] - 1)
        self.attention = nn.Linear(D, D, bias=False)
        self.readout = nn.Linear(2 * D, E)
        self.output_bias = nn.Parameter(torch.zeros(spec["vocabulary"]))
        if spec["has_copy"]:
            self.copy = nn.Linear(2 * D, 1)
        for name, parameter in self.named_parameters():
            bound = 2 / parameter.shape[1] ** 0.5 if parameter.dim() == 2 and name != "embedding.weight" else 0.8
            parameter.data = uniform(*parameter.shape, bound=bound)

    def tensors(self):
        """Parameters by the project's names: the upper layers are the decoder's from l1 on."""
        for name, parameter in self.named_parameters():
            if name.startswith("upper."):
                stem, layer = name.rsplit("_l", 1)
                name = f"{stem.replace('upper', 'decoder')}_l{int(layer) + 1}"
            yield name.replace("output_bias", "output.bias"), parameter

    def encode(self, source):
        """States (S, D), and where the bridge begins (D)."""
        if len(source) == 0:
            return torch.zeros(0, self.D), torch.zeros(self.D)
        if self.spec["n_layers"] == 0:
            states = torch.tanh(self.source(source))
            return states, states[-1]
        states, last = self.rnn(self.embedding(source) if self.spec["input"] == TEXT else source)
        last = last[0] if self.spec["cell"] == LSTM else last
        return states, last[-2 if self.spec["is_bidirectional"] else -1:].reshape(-1)

    def run_cell(self, module, x, h):
        state = (h, torch.zeros_like(h)) if self.spec["cell"] == LSTM else h
        return module(x, state)[0]

    def forward(self, source, written):
        """Logarithms (T, V) of the softmax, and with copying."""
        states, last = self.encode(source)
        first = torch.tanh(self.bridge(last)).reshape(-1, self.D)
        h = self.run_cell(self.decoder, self.embedding(written), first[:1])
        weight = h @ self.attention.weight @ states.T
        weight = weight.softmax(dim=1)
        context = weight @ states
        u = h
        if self.spec["decoder_layers"] > 1:
            u = self.run_cell(self.upper, torch.cat([h, context], dim=1), first[1:])
        top = torch.cat([u, context], dim=1)
        z = torch.tanh(self.readout(top))
        log_soft = (z @ self.embedding.weight.T + self.output_bias).log_softmax(dim=1)
        if not self.spec["has_copy"] or len(source) == 0:
            return log_soft, log_soft
        gate = torch.sigmoid(self.copy(top))
        copied = torch.zeros_like(log_soft).index_add(1, source, weight)
        return log_soft, torch.log((1 - gate) * log_soft.exp() + gate * copied)


def write_case(golden, name, spec, source_length, written_length, source_of, label_smoothing=0.0):
    net = Net(spec)
    is_text = spec["input"] == TEXT
    sources = [torch.randint(1, 12, (n,)) if is_text else uniform(n, spec["channels"], bound=2)
               for n in source_length]
    texts = [torch.cat([torch.tensor([END]), torch.randint(1, 12, (n - 1,))]) for n in written_length]
    labels = [torch.cat([text[1:], torch.tensor([END])]) for text in texts]
    labels[0][1] = -1                                       # one that does not count
    losses, all_log_p = [], []
    for text, label, number in zip(texts, labels, source_of):
        log_soft, log_p = net(sources[number], text)
        chosen = label >= 0
        of_label = -log_p[chosen].gather(1, label[chosen][:, None])[:, 0]
        losses.append((1 - label_smoothing) * of_label - label_smoothing * log_soft[chosen].mean(dim=1))
        all_log_p.append(log_p)
    loss = torch.cat(losses).mean()
    loss.backward()

    golden.text("case", name)
    golden.ints("spec", [int(spec.get(field, 0)) for field in FIELDS])
    golden.ints("decoder", [spec["decoder_layers"], int(spec["has_copy"]), spec["channels"]])
    golden.ints("source_length", source_length)
    if is_text:
        golden.ints("source_token", torch.cat(sources).tolist())
    else:
        golden.floats("source_values", torch.cat(sources))
    golden.ints("written_length", written_length)
    golden.ints("written_token", torch.cat(texts).tolist())
    golden.ints("label", torch.cat(labels).tolist())
    golden.ints("source_of", source_of)
    golden.floats("label_smoothing", [label_smoothing])
    for tensor_name, parameter in net.tensors():
        golden.floats("data " + tensor_name, parameter)
        golden.floats("grad " + tensor_name, parameter.grad)
    golden.floats("log_p", torch.cat(all_log_p))
    golden.floats("loss", loss.reshape(1))


def make_spec(**fields):
    spec = dict(task=TRANSLATE, input=TEXT, cell=LSTM, n_layers=1, hidden=6, is_bidirectional=1, vocabulary=VOCABULARY,
                embedding=5, decoder_layers=1, has_copy=0, channels=0)
    spec.update(fields)
    return spec


if __name__ == "__main__":
    torch.manual_seed(20240303)
    file = Golden("seq2seq.golden")
    mixed = dict(source_length=[7, 5, 5, 2, 0], written_length=[6, 4, 4, 2, 1], source_of=[2, 0, 4, 1, 1])
    write_case(file, "lstm, two layers each, copying", make_spec(n_layers=2, decoder_layers=2, has_copy=1), **mixed)
    write_case(file, "gru, one direction, one decoder layer", make_spec(cell=GRU, is_bidirectional=0, hidden=9), **mixed)
    write_case(file, "gru, three decoder layers, copying, smoothed labels",
               make_spec(cell=GRU, decoder_layers=3, has_copy=1), label_smoothing=0.1, **mixed)
    write_case(file, "rnn, smoothed labels", make_spec(cell=RNN, decoder_layers=2), label_smoothing=0.2, **mixed)
    write_case(file, "lstm, caption of a vector",
               make_spec(task=CAPTION, input=VECTOR, n_layers=0, is_bidirectional=0, hidden=8, decoder_layers=2, channels=5),
               [1, 1, 1], [5, 3, 1, 1], [1, 0, 2, 1])
    write_case(file, "lstm, caption of a series",
               make_spec(task=CAPTION, input=SERIES, decoder_layers=2, channels=3), **mixed)

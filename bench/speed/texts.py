"""Real texts as numbers of words, and what stands in for them where the sets are absent."""
import collections
import gzip
import math
import os
import re

import numpy as np

from side import DATA, SEED

WORD = re.compile(r"\w+|[^\w\s]")
# median and spread of the logarithm of the number of words, and words, of the stand-ins
LIKE = {"sst2": (7, 0.85, 13000), "imdb": (201, 0.75, 48000)}


def has_set(name):
    return os.path.exists(os.path.join(DATA, name, "train.tsv.gz"))


def read(name, part="train"):
    """Texts and labels."""
    with gzip.open(os.path.join(DATA, name, part + ".tsv.gz"), "rt", encoding="utf-8") as f:
        header = f.readline().rstrip("\n").split("\t")
        rows = [line.rstrip("\n").split("\t") for line in f]
    return [r[header.index("text")] for r in rows], [r[header.index("label")] for r in rows]


def mix(name, n_words, max_tokens):
    """Arrays of token numbers, the most frequent words first; the rest of the words share the last number."""
    if not has_set(name):
        return stand_in(name, n_words, max_tokens)
    texts = [WORD.findall(t.lower())[:max_tokens] for t in read(name)[0]]
    counts = collections.Counter(w for t in texts for w in t)
    number = {w: i for i, (w, _) in enumerate(counts.most_common(n_words - 1))}
    return [np.array([number.get(w, n_words - 1) for w in t], np.int32) for t in texts if t]


def stand_in(name, n_words, max_tokens):
    """Lengths whose logarithm is normal, words by Zipf's law."""
    median, spread, n_kinds = LIKE[name]
    rng = np.random.default_rng(SEED)
    lengths = np.clip(np.exp(rng.normal(math.log(median), spread, 20000)), 1, max_tokens).astype(int)
    return [np.minimum(np.exp(rng.random(n) * math.log(n_kinds)), n_words - 1).astype(np.int32) for n in lengths]

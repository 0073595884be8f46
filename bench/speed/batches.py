"""Batches of texts for the sides that pad: one file, which Python and JavaScript read.

int32: number of batches; for each, sequences B, steps T, B row numbers, B lengths, T * B tokens.
"""
import numpy as np

BATCH = 64


def write(tokens, order, path):
    """Batches of BATCH texts in the order given, in each the longest first, padded with token 0."""
    parts = [[-(-len(order) // BATCH)]]
    for at in range(0, len(order), BATCH):
        rows = sorted(order[at:at + BATCH], key=lambda i: -len(tokens[i]))
        lengths = [len(tokens[i]) for i in rows]
        padded = np.zeros((lengths[0], len(rows)), np.int32)
        for b, i in enumerate(rows):
            padded[:lengths[b], b] = tokens[i]
        parts += [[len(rows), lengths[0]], rows, lengths, padded.ravel()]
    np.concatenate(parts).astype(np.int32).tofile(path)


def read(path):
    """Row numbers, tokens (T, B), lengths of each batch."""
    items = np.fromfile(path, np.int32)
    at = 1
    for _ in range(items[0]):
        B, T = int(items[at]), int(items[at + 1])
        at += 2
        yield items[at:at + B], items[at + 2 * B:at + 2 * B + T * B].reshape(T, B), items[at + B:at + 2 * B]
        at += 2 * B + T * B

#!/usr/bin/python3
"""
make_stat_golden.py: what SciPy says of tables of two by two, for test/unit/test_stat.c.

Run it in this directory with Debian's python3-scipy (made with 1.10):

    /usr/bin/python3 make_stat_golden.py

It writes stat.golden in the format of make_golden.py.  Numbers stand as text, a line
each, for they need more digits than single precision has.  Case "tables": first_with
first_n second_with second_n, G, its p-value, Fisher's p-values two-sided, "first more"
and "first less".  Case "chi_square": x, degrees, P(X >= x).  Case "discoveries": how many p-values are in the set, p, the
adjusted one; SciPy 1.10 has no such function, so that the definition is written out here,
in another way than in C.
"""
import struct

import numpy as np
import scipy
from scipy import stats

rng = np.random.default_rng(20240501)


def record(file, name, text):
    name = name.encode()
    payload = text.encode()
    file.write(struct.pack("<I", len(name)) + name + struct.pack("<II", 2, len(payload)) + payload)


def line(*numbers):
    return " ".join(str(x) if isinstance(x, (int, np.integer)) else repr(float(x)) for x in numbers) + "\n"


def tables():
    yield from [(3, 4, 1, 4), (1, 10, 11, 14), (8, 10, 1, 6), (0, 5, 5, 5), (10, 10, 0, 10), (2, 2, 3, 7), (0, 50, 0, 60)]
    for n in (20, 300, 5000, 100000, 20000000):
        for _ in range(8):
            first_n = int(rng.integers(2, n))
            second_n = int(rng.integers(2, n))
            share = rng.choice([0.5, 0.1, 3.0 / n + 1e-9])
            yield (int(rng.binomial(first_n, min(1.0, share * rng.choice([1.0, 1.2])))), first_n,
                   int(rng.binomial(second_n, share)), second_n)


def g_test(t):
    observed = np.array([[t[0], t[1] - t[0]], [t[2], t[3] - t[2]]])
    if (observed.sum(axis=0) == 0).any():
        return 0.0, 1.0
    return stats.chi2_contingency(observed, correction=False, lambda_="log-likelihood")[:2]


def fisher(t, alternative):
    return stats.fisher_exact([[t[0], t[1] - t[0]], [t[2], t[3] - t[2]]], alternative)[1]


def adjusted(p):
    """Benjamini and Hochberg's step-up procedure, for every rate at once."""
    n = len(p)
    return [min(min(1.0, p[j] * n / sum(q <= p[j] for q in p)) for j in range(n) if p[j] >= p[i]) for i in range(n)]


def discoveries():
    for n in (1, 2, 15, 60):
        p = [float(x) for x in rng.uniform(size=n) ** 3]
        p[n // 2] = p[0]
        yield from zip([n] * n, p, adjusted(p))


with open("stat.golden", "wb") as file:
    head = f"NNGOLDEN 1 made by test/golden/make_stat_golden.py with SciPy {scipy.__version__}"
    file.write(head.encode().ljust(95) + b"\n")
    record(file, "case", "tables")
    record(file, "numbers", "".join(line(*t, *g_test(t), fisher(t, "two-sided"), fisher(t, "greater"), fisher(t, "less"))
                                    for t in tables()))
    record(file, "case", "chi_square")
    record(file, "numbers", "".join(line(x, degrees, stats.chi2.sf(x, degrees)) for degrees in (1, 2, 3, 10, 77, 1000)
                                    for x in (0.001, 0.5, 3.84, 20.0, 75.0, 990.0, 1400.0)))
    record(file, "case", "discoveries")
    record(file, "numbers", "".join(line(*row) for row in discoveries()))

#!/usr/bin/python3
"""fastText beside us: best of epoch 5/25 x wordNgrams 1/2 on the same rows.

usage: fasttext_peer.py TRAIN.tsv VALID.tsv TEXT_COLUMN LABEL_COLUMN [THREADS]

Prints one JSON line.  The best of the four settings is chosen on VALID itself,
which leans towards fastText.  Text is lower-cased and cut as our tokenizer does
it (runs of word characters, single signs, single Han and kana characters).
"""
import csv
import json
import re
import subprocess
import sys
import tempfile
import time

csv.field_size_limit(1 << 30)
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+|[^\w\s]")


def rows(path, text, label):
    with open(path, encoding="utf-8", newline="\n") as f:
        names = f.readline().rstrip("\n").split("\t")
        i, j = [names.index(c) for c in text.split("+")], names.index(label)
        for line in f:
            columns = line.rstrip("\n").split("\t")
            if len(columns) == len(names) and columns[j]:
                yield " ".join(columns[k] for k in i), columns[j]


def write(path, pairs):
    with open(path, "w", encoding="utf-8") as f:
        for text, label in pairs:
            f.write("__label__%s %s\n" % (re.sub(r"\s", "_", label), " ".join(WORD.findall(text.lower()))))


def predicted(model, path):
    out = subprocess.run(["fasttext", "predict", model, path], capture_output=True, text=True, check=True).stdout
    return [line.strip() for line in out.split("\n")]


def main():
    train_path, valid_path, text, label = sys.argv[1:5]
    threads = sys.argv[5] if len(sys.argv) > 5 else "2"
    valid = list(rows(valid_path, text, label))
    truth = ["__label__" + re.sub(r"\s", "_", y) for _, y in valid]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        write(folder + "/train", rows(train_path, text, label))
        # fastText prints no line for an empty text: give it one token
        write(folder + "/valid", ((t or "-", y) for t, y in valid))
        with open(folder + "/input", "w", encoding="utf-8") as f:
            for line in open(folder + "/valid", encoding="utf-8"):
                f.write((line.split(" ", 1)[1].strip() or "-") + "\n")
        for epoch in (5, 25):
            for ngrams in (1, 2):
                start = time.time()
                subprocess.run(["fasttext", "supervised", "-input", folder + "/train", "-output", folder + "/m",
                                "-lr", "0.5", "-dim", "100", "-bucket", "200000", "-epoch", str(epoch),
                                "-wordNgrams", str(ngrams), "-thread", threads],
                               check=True, capture_output=True)
                seconds = time.time() - start
                guess = predicted(folder + "/m.bin", folder + "/input")
                right = sum(a == b for a, b in zip(guess, truth))
                results.append({"epoch": epoch, "wordNgrams": ngrams, "seconds": round(seconds, 1),
                                "accuracy": round(right / len(truth), 4)})
    best = max(results, key=lambda r: r["accuracy"])
    print(json.dumps({"rows": len(truth), "best": best, "all": results}))


main()

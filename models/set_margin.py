#!/usr/bin/python3
"""Write "neutral_margin" into the training facts of a weights file.

usage: set_margin.py IN.safetensors MARGIN OUT.safetensors

The tensors are copied as they are; only the JSON header changes.
"""
import json
import struct
import sys

source, margin, target = sys.argv[1:4]
data = open(source, "rb").read()
n_header, = struct.unpack("<Q", data[:8])
header = json.loads(data[8:8 + n_header])
facts = json.loads(header["__metadata__"].get("training") or "{}")
facts["neutral_margin"] = float(margin)
header["__metadata__"]["training"] = json.dumps(facts, ensure_ascii=False)
text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
text += b" " * (-len(text) % 8)
with open(target, "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + data[8 + n_header:])

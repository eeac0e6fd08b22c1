#!/usr/bin/env python3
"""Gives readout weights more characters: SRC DST, both readout.safetensors.

After characters were added at the end of `tools/make_charset.py`, so that a reader goes on with what it
has learned: classes that SRC lacks begin with small random weights. Needs numpy and safetensors.
"""
import pathlib
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

source, dest = sys.argv[1:3]
charset = pathlib.Path(__file__).parent.parent / "glyph-decode" / "assets" / "charset.txt"
classes = len(charset.read_text(encoding="utf-8").split("\n")[1])
tensors = load_file(source)
weight, bias = tensors["tail.weight"], tensors["tail.bias"]
new = classes - weight.shape[1]
assert new >= 0, f"{source} has {weight.shape[1]} classes, more than the {classes} of {charset}"
spread = weight.astype(np.float32).std() / 2
columns = np.random.default_rng(7).normal(size=(weight.shape[0], new)) * spread
tensors["tail.weight"] = np.concatenate([weight, columns.astype(weight.dtype)], 1)
tensors["tail.bias"] = np.concatenate([bias, np.full(new, bias.mean() - 2, dtype=bias.dtype)])
save_file(tensors, dest, metadata=safe_open(source, "np").metadata())
print(dest, new, "new of", classes, "classes")

#!/usr/bin/env python3
"""Prefill and decode speed of llama.cpp: the same work as glyph-decode/examples/lm_bench.rs.

    pip install llama-cpp-python
    llama_cpp_bench.py MODEL.gguf THREADS
"""

import sys
import time

import numpy as np
from llama_cpp import Llama

path, threads = sys.argv[1], int(sys.argv[2])
model = Llama(path, n_ctx=2304, n_batch=2048, n_ubatch=512, n_threads=threads,
              n_threads_batch=threads, verbose=False)


def prompt(n):
    return [i * 7919 % 40000 for i in range(n)]


model.eval(prompt(32))
for n in (512, 2048):
    model.reset()
    start = time.perf_counter()
    model.eval(prompt(n))
    print(f"prefill {n} {n / (time.perf_counter() - start):.2f}", flush=True)
model.reset()
model.eval(prompt(32))
start = time.perf_counter()
for _ in range(128):
    logits = np.ctypeslib.as_array(model._ctx.get_logits_ith(-1), shape=(model.n_vocab(),))
    model.eval([int(logits.argmax())])
print(f"decode 128 {128 / (time.perf_counter() - start):.2f}")

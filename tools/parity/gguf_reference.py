#!/usr/bin/env python3
"""Writes what llama.cpp says about a GGUF model, for glyph-decode/tests/llama_cpp.rs.

    pip install llama-cpp-python numpy
    tools/parity/gguf_reference.py MODEL.gguf OUT.json [TEXT...]

The result holds, for 20 prompts, the tokens of the prompt, the 64 tokens that greedy decoding adds
and the distance between the two largest logits at each of them; and the negative log-likelihood of
the first 20,000 characters of the texts in windows of 512 tokens.

llama.cpp does not agree with itself to the last bit: the same tokens in one batch or one by one
give other sums, since 8-bit activations round the other way. `own_disagreements` lists where the
first choice differs between the two, as distances of the two largest logits: what nobody can be
expected to match.
"""

import hashlib
import json
import sys

import numpy as np
from llama_cpp import Llama

PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a village by the sea,",
    "def fibonacci(n):\n",
    "Photosynthesis is the process by which",
    "The three laws of motion are",
    "Dear Sir or Madam,\n\nI am writing to",
    "Ingredients:\n- 2 cups of flour\n- 1 cup of sugar\n",
    "In 1969, the first humans landed on",
    "Q: What is the boiling point of water?\nA:",
    "The quick brown fox",
    "SELECT name, age FROM users WHERE",
    "List of planets in the solar system:\n1.",
    "To be, or not to be, that is",
    "The lighthouse keeper climbed the stairs every evening because",
    "Machine learning models are trained by",
    "import numpy as np\n\n",
    "Water freezes at 0 degrees Celsius and",
    "The meeting is scheduled for Monday at 10:30. Please",
    "<|im_start|>user\nWhat is the largest ocean on Earth?<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>user\nWrite three sentences about bread.<|im_end|>\n<|im_start|>assistant\n",
]
NEW_TOKENS = 64
CHARACTERS = 20_000
WINDOW = 512


def top_two(row):
    order = np.argpartition(row, -2)[-2:]
    first, second = sorted(order, key=lambda i: -row[i])
    return int(first), float(row[first] - row[second])


def log_likelihood(rows, targets):
    rows = rows.astype(np.float64)
    rows -= rows.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(rows).sum(axis=1))
    return float((rows[np.arange(len(targets)), targets] - log_sum).sum())


def main():
    path, out, texts = sys.argv[1], sys.argv[2], sys.argv[3:]
    model = Llama(path, n_ctx=WINDOW, n_batch=WINDOW, n_threads=1, n_threads_batch=1,
                  logits_all=True, verbose=False)
    with open(path, "rb") as f:
        sha256 = hashlib.file_digest(f, "sha256").hexdigest()
    prompts = []
    own = []
    for prompt in PROMPTS:
        ids = model.tokenize(prompt.encode(), add_bos=False, special=True)
        model.reset()
        model.eval(ids)
        greedy, gaps = [], []
        for _ in range(NEW_TOKENS):
            token, gap = top_two(model.scores[model.n_tokens - 1])
            greedy.append(token)
            gaps.append(round(gap, 5))
            model.eval([token])
        model.reset()
        model.eval(ids + greedy)
        for i, token in enumerate(greedy):
            if int(model.scores[len(ids) - 1 + i].argmax()) != token:
                own.append(gaps[i])
        prompts.append({"text": prompt, "ids": ids, "greedy": greedy, "gaps": gaps})
        print(repr(prompt), "->", repr(model.detokenize(greedy).decode(errors="replace")[:60]))
    held_out = perplexity_of(model, texts) if texts else None
    print("own disagreements", own)
    with open(out, "w", encoding="utf-8") as f:
        json.dump({"model_sha256": sha256, "prompts": prompts, "own_disagreements": own,
                   "held_out": held_out}, f, ensure_ascii=False)
        f.write("\n")


def perplexity_of(model, texts):
    text = "".join(open(t, encoding="utf-8").read() for t in texts)[:CHARACTERS]
    ids = model.tokenize(text.encode(), add_bos=False, special=False)
    total, count = 0.0, 0
    for start in range(0, len(ids), WINDOW):
        window = ids[start:start + WINDOW]
        if len(window) < 2:
            break
        model.reset()
        model.eval(window)
        total -= log_likelihood(model.scores[:len(window) - 1], window[1:])
        count += len(window) - 1
    perplexity = float(np.exp(total / count))
    print("characters", len(text), "tokens", count, "perplexity", perplexity)
    return {"text": text, "ids": ids, "window": WINDOW, "tokens": count,
            "negative_log_likelihood": total, "perplexity": perplexity}


if __name__ == "__main__":
    main()

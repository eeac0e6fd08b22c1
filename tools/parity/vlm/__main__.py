"""Writes the fixtures of vision-language models, CLIP and BERT: tiny random models and what
transformers computes with them.

    pip install torch torchvision transformers safetensors pillow
    python tools/parity/vlm glyph-decode/tests/fixtures/vlm qwen2_vl qwen2_5_vl glm4v idefics3
    python tools/parity/vlm glyph-encode/tests/fixtures clip
    python tools/parity/vlm glyph-align/tests/fixtures bert

A family's folder holds

- a checkpoint as transformers saves it, with the names of tensors that published ones have, and
  config.v4.json: the same settings in the layout of transformers 4, which most published ones have;
- images/*.png, and in pixels.safetensors what the image processor makes of them before it
  normalises: bytes, [height, width, 3] or [tiles, height, width, 3];
- cases.json: for each case which images it shows, in order, and how many rows it has;
- cases/*.safetensors: ids, what the parts of the model return, and logits, in f32. `vision.*` are
  patches in the order of pixel_values, `vision_embeds` what takes the place of image tokens,
  `text.embeds` the decoder's input, `text.layer.*` its layers' output before the last norm;
  `greedy` the 32 tokens that follow without an end, and `greedy_gap` how far the best logit lies
  above the second. A batch's tensors end in .0, .1 for its rows, without padding.

Everything is checked while it is made: the files give the same logits when they are loaded again
with either configuration, decoding with a cache agrees with one pass over everything, and mixing up
positions, windows or masks would show.
"""

import importlib
import sys
from pathlib import Path

import torch

import common

FAMILIES = ["qwen2_vl", "qwen2_5_vl", "glm4v", "clip", "idefics3", "bert"]


def main():
    root = Path(sys.argv[1])
    torch.set_num_threads(1)
    for name in sys.argv[2:] or FAMILIES:
        print(name, flush=True)
        importlib.import_module(name).make(root / name)
        for path in sorted((root / name).rglob("*")):
            if path.is_file():
                print(f"  {path.stat().st_size:7} {path.relative_to(root)}")
        print(f"  {common.folder_size(root / name):7} in all")


if __name__ == "__main__":
    main()

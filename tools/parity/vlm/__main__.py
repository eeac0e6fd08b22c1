"""Writes the vision-language fixtures of glyph-decode: tiny random models and what transformers
computes with them.

    pip install torch torchvision transformers safetensors pillow
    python tools/parity/vlm glyph-decode/tests/fixtures/vlm [FAMILY...]

A family's folder holds a checkpoint as transformers saves it, config.v4.json (the same settings in
the layout of transformers 4), images/*.png and cases/*.safetensors.
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

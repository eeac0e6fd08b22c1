#!/usr/bin/env python3
"""Writes glyph-align/tests/fixtures/losses.safetensors: what PyTorch computes for the losses.

    pip install torch safetensors
    tools/parity/losses.py

Every case has two batches of embeddings, the loss, and its gradients by both and by what it learns.
The losses are written with PyTorch's own functions, not after ours.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parents[2] / "glyph-align/tests/fixtures/losses.safetensors"


def semantic(text, image, learned):
    return 1 - F.cosine_similarity(text, image, dim=1).mean()


def info_nce(text, image, learned):
    logits = F.normalize(text) @ F.normalize(image).T * learned["logit_scale"].exp()
    labels = torch.arange(len(text))
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


def siglip(text, image, learned):
    logits = F.normalize(text) @ F.normalize(image).T * learned["logit_scale"].exp() + learned["logit_bias"]
    labels = torch.eye(len(text))
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="sum") / len(text)


def weighted(text, image, learned):
    """0.5 semantic + 2 InfoNCE + 0.25 SigLIP."""
    scales = learned["info_nce.logit_scale"], learned["siglip.logit_scale"]
    return (0.5 * semantic(text, image, {}) + 2 * info_nce(text, image, {"logit_scale": scales[0]})
            + 0.25 * siglip(text, image, {"logit_scale": scales[1], "logit_bias": learned["siglip.logit_bias"]}))


CASES = {
    "semantic": (semantic, {}),
    "info_nce": (info_nce, {"logit_scale": -torch.tensor(0.2).log().item()}),
    "siglip": (siglip, {"logit_scale": 1.5, "logit_bias": -2.0}),
    "weighted": (weighted, {"info_nce.logit_scale": -torch.tensor(0.2).log().item(),
                            "siglip.logit_scale": 1.5, "siglip.logit_bias": -2.0}),
}


def main():
    torch.manual_seed(3)
    out = {}
    for name, (loss, start) in CASES.items():
        text = torch.randn(6, 9)
        # Some images near their texts, some not.
        image = torch.randn(6, 9) + text * torch.tensor([2.0, 1.0, 0.5, 0.0, -0.5, 3.0])[:, None]
        text.requires_grad_()
        image.requires_grad_()
        learned = {k: torch.tensor([v], requires_grad=True) for k, v in start.items()}
        value = loss(text, image, learned)
        value.backward()
        out[f"{name}.text"], out[f"{name}.image"] = text.detach(), image.detach()
        out[f"{name}.loss"] = value.detach().reshape(1)
        out[f"{name}.grad.text"], out[f"{name}.grad.image"] = text.grad, image.grad
        for key, parameter in learned.items():
            out[f"{name}.grad.{key}"] = parameter.grad
    save_file(out, OUT)


if __name__ == "__main__":
    main()

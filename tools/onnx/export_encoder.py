#!/usr/bin/env python3
"""Exports the built-in encoder to ONNX, for examples/onnx_encoder.

    pip install torch onnx onnxruntime onnxscript pillow safetensors
    tools/onnx/export_encoder.py

Writes onnx/local.onnx and onnx/global.onnx, windows of pixels in, vision tokens out, at each of the
two ratios; and tests/fixtures/onnxruntime.safetensors, what ONNX Runtime computes with them for the
rows of text in tests/fixtures/rows.png.

The graphs hold no weights. ONNX lets a tensor lie in another file at an offset, and a safetensors
file is a header and raw tensors, so the graphs point into glyph-encode/assets/encoder.safetensors
and are as small as graphs are. Its tensors are f16; the graphs cast them to f32. When the encoder
has been trained again, run this again: what ONNX Runtime computes has changed.
"""

import json
import math
import shutil
import struct
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto
from PIL import Image
from safetensors.numpy import save_file
from torch import nn
from torch.nn import functional

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "glyph-encode/assets/encoder.safetensors"
EXAMPLE = ROOT / "examples/onnx_encoder"

# As in glyph-encode/src/builtin/model.rs.
PATCH_SIZE, WINDOW_WIDTH, PATCHES_PER_ROW = 14, 28, 48
WINDOW_SIZE = PATCH_SIZE * WINDOW_WIDTH
HEADS, BLOCKS = 4, 2
GRAPHS = {"local": (0, 4), "global": (1, 16)}  # index of the merger, patches a token

OPSET = 20  # the first with Gelu


def read_header(data):
    """Where each tensor lies: name -> (dtype, shape, offset in the file, length)."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__")
    found = {}
    for name, tensor in header.items():
        start, end = tensor["data_offsets"]
        found[name] = tensor["dtype"], tensor["shape"], 8 + length + start, end - start
    return found


def read_tensors(data, header):
    kinds = {"F16": np.float16, "F32": np.float32}
    return {
        name: torch.from_numpy(
            np.frombuffer(data, kinds[dtype], math.prod(shape), offset).reshape(shape).copy())
        for name, (dtype, shape, offset, _) in header.items()
    }


class Weights(nn.Module):
    """Parameters as Burn names and stores them; used as f32 whatever they are stored as."""

    def __init__(self, tensors):
        super().__init__()
        for name, tensor in tensors.items():
            self.register_parameter(name, nn.Parameter(tensor, requires_grad=False))

    def get(self, name):
        return getattr(self, name).float()


class Linear(Weights):
    """`x W + b`; Burn keeps W as [in, out]."""

    def forward(self, x):
        return x @ self.get("weight") + self.get("bias")


class LayerNorm(Weights):
    def forward(self, x):
        gamma, beta = self.get("gamma"), self.get("beta")
        return functional.layer_norm(x, gamma.shape, gamma, beta, eps=1e-5)


def layer(kind, tensors, prefix):
    prefix += "."
    return kind({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})


class Block(nn.Module):
    def __init__(self, tensors, prefix):
        super().__init__()
        for name in ("qkv", "proj", "up", "down"):
            setattr(self, name, layer(Linear, tensors, f"{prefix}.{name}"))
        for name in ("norm_attention", "norm_mlp"):
            setattr(self, name, layer(LayerNorm, tensors, f"{prefix}.{name}"))

    def forward(self, x):
        d = x.shape[2]
        qkv = self.qkv(self.norm_attention(x))
        query, key, value = (
            qkv[:, :, i * d:(i + 1) * d]
            .reshape(-1, PATCHES_PER_ROW, HEADS, d // HEADS).transpose(1, 2)
            for i in range(3))
        scores = query @ key.transpose(2, 3) * (1.0 / math.sqrt(d // HEADS))
        mixed = scores.softmax(3) @ value
        x = x + self.proj(mixed.transpose(1, 2).reshape(-1, PATCHES_PER_ROW, d))
        return x + self.down(functional.gelu(self.up(self.norm_mlp(x))))


class Merger(nn.Module):
    def __init__(self, tensors, prefix, merge):
        super().__init__()
        self.up = layer(Linear, tensors, f"{prefix}.up")
        self.down = layer(Linear, tensors, f"{prefix}.down")
        self.norm = layer(LayerNorm, tensors, f"{prefix}.norm")
        self.merge = merge

    def forward(self, x):
        x = x.reshape(-1, PATCHES_PER_ROW // self.merge, self.merge * x.shape[2])
        return self.norm(self.down(functional.gelu(self.up(x))))


class Encoder(nn.Module):
    """glyph-encode's EncoderModel at one ratio; its parameters have the names of the file."""

    def __init__(self, tensors, level, merge):
        super().__init__()
        self.stem_in = layer(Linear, tensors, "stem_in")
        self.stem_out = layer(Linear, tensors, "stem_out")
        self.position = nn.Parameter(tensors["position"], requires_grad=False)
        self.blocks = nn.ModuleList(Block(tensors, f"blocks.{i}") for i in range(BLOCKS))
        self.norm = layer(LayerNorm, tensors, "norm")
        self.mergers = nn.ModuleDict({str(level): Merger(tensors, f"mergers.{level}", merge)})

    def forward(self, pixel_values):
        x = self.stem_out(functional.gelu(self.stem_in(pixel_values))) + self.position
        for block in self.blocks:
            x = block(x)
        (merger,) = self.mergers.values()
        return merger(self.norm(x))


def export(encoder, path):
    rows = torch.export.Dim("rows")
    torch.onnx.export(
        encoder,
        (torch.zeros(2, PATCHES_PER_ROW, WINDOW_SIZE),),
        path,
        dynamo=True,
        opset_version=OPSET,
        optimize=False,  # would fold the casts, and leave f32 weights in the graph
        external_data=False,
        input_names=["pixel_values"],
        output_names=["vision_tokens"],
        dynamic_shapes={"pixel_values": {0: rows}},
        verbose=False,
    )


def point_to_weights(path, header):
    """Takes the weights out of a graph and says where in the file of weights they lie."""
    model = onnx.load(path)
    dtypes = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}
    for tensor in model.graph.initializer:
        dtype, shape, offset, length = header[tensor.name]
        found = tensor.data_type, list(tensor.dims)
        if found != (dtypes[dtype], shape):
            raise SystemExit(f"{path.name}: {tensor.name}: expected {dtype} {shape} as in "
                             f"{WEIGHTS.name}, found data type {found[0]} {found[1]}")
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in ("location", WEIGHTS.name), ("offset", offset), ("length", length):
            tensor.external_data.add(key=key, value=str(value))
    # Where in Python each node comes from: longer than the graph, and full of local paths.
    for message in (model, model.graph, *model.graph.node, *model.graph.input,
                    *model.graph.output, *model.graph.value_info):
        message.ClearField("metadata_props")
        message.ClearField("doc_string")
    model.graph.ClearField("value_info")
    onnx.save(model, path)
    onnx.checker.check_model(path)


def row_windows(rows):
    """As `row_windows` in glyph-encode/src/builtin/preprocess.rs, for [rows, 14, 672] grey."""
    ink = (255 - rows).astype(np.float32) * np.float32(1 / 255)
    margin = (WINDOW_WIDTH - PATCH_SIZE) // 2
    ink = np.pad(ink, ((0, 0), (0, 0), (margin, margin)))
    windows = [ink[:, :, PATCH_SIZE * i:PATCH_SIZE * i + WINDOW_WIDTH]
               for i in range(PATCHES_PER_ROW)]
    return np.stack(windows, 1).reshape(len(rows), PATCHES_PER_ROW, WINDOW_SIZE)


def main():
    data = WEIGHTS.read_bytes()
    header = read_header(data)
    tensors = read_tensors(data, header)
    fixtures = EXAMPLE / "tests/fixtures"
    grey = np.array(Image.open(fixtures / "rows.png").convert("L"))
    pixel_values = row_windows(grey.reshape(-1, PATCH_SIZE, grey.shape[1]))
    expected = {}
    with tempfile.TemporaryDirectory() as folder:
        # ONNX Runtime follows no path that leads out of the model's folder.
        shutil.copy(WEIGHTS, folder)
        for name, (level, merge) in GRAPHS.items():
            encoder = Encoder(tensors, level, merge).eval()
            path = Path(folder) / f"{name}.onnx"
            export(encoder, path)
            point_to_weights(path, header)
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            (tokens,) = session.run(None, {"pixel_values": pixel_values})
            distance = np.abs(tokens - encoder(torch.from_numpy(pixel_values)).numpy()).max()
            print(f"{path.name}: {path.stat().st_size} bytes, "
                  f"ONNX Runtime within {distance:.1e} of PyTorch")
            shutil.copy(path, EXAMPLE / "onnx")
            expected[name] = tokens
    save_file(expected, fixtures / "onnxruntime.safetensors")


if __name__ == "__main__":
    main()

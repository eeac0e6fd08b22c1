"""Speed of PyTorch and transformers on a device: the same work as benches/src/bin/gpu.

python gpu_torch.py clip FOLDER DEVICE DTYPE BATCH...
python gpu_torch.py decoder FOLDER DEVICE DTYPE N...
python gpu_torch.py reader DEVICE
python gpu_torch.py train DEVICE

Lines are: what was run, milliseconds (the median of several runs after one that does not count),
and a number of the result.
"""

import pathlib
import statistics
import sys
import time

import numpy
import torch
from torch import nn
from torch.nn import functional

ROOT = pathlib.Path(__file__).resolve().parents[2]
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
WRITTEN = 32
ROWS_OF_A_PAGE = 69
# Charset::TAIL: the class that stands for all of the second softmax.
TAIL = 3


def say(what, ms, number):
    print(f"{what}\t{ms:.3f}\t{number}", flush=True)


def wait(device):
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def median(rounds, run, device):
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        out = run()
        wait(device)
        times.append((time.perf_counter() - start) * 1e3)
    # The first run counts where there is no other.
    return statistics.median(times[1:] or times), out


def rounds_of(length):
    """As `rounds` in benches/src/bin/gpu/timing.rs."""
    return 0 if length >= 100_000 else 1 if length >= 16_000 else 3


def pixels(*shape):
    i = numpy.arange(numpy.prod(shape), dtype="int64")
    values = ((i * 7919 % 1009).astype("float32") / 504.5 - 1.0).reshape(shape)
    return torch.from_numpy(values)


def clip(folder, device, dtype, *batches):
    from transformers import CLIPVisionModelWithProjection

    model = CLIPVisionModelWithProjection.from_pretrained(
        folder, dtype=DTYPES[dtype], attn_implementation="sdpa"
    ).eval().to(device)
    # Each batch a program of its own, not one for all sizes.
    compiled = torch.compile(model, dynamic=False) if device.startswith("cuda") else None
    for batch in map(int, batches):
        x = pixels(batch, 3, 224, 224).to(device, DTYPES[dtype])
        ms, out = median(9, lambda: model(pixel_values=x).image_embeds, device)
        say(f"clip batch {batch}", ms, f"{out[0, 0].item():.4f}")
        if compiled is not None:
            ms, out = median(9, lambda: compiled(pixel_values=x).image_embeds, device)
            say(f"clip batch {batch} compiled", ms, f"{out[0, 0].item():.4f}")


def decoder(folder, device, dtype, *lengths):
    from transformers import AutoModelForImageTextToText, DynamicCache

    start = time.perf_counter()
    model = AutoModelForImageTextToText.from_pretrained(
        folder, dtype=DTYPES[dtype], attn_implementation="sdpa"
    ).eval().to(device)
    say("load", (time.perf_counter() - start) * 1e3, dtype)

    def step(ids, cache):
        out = model(
            input_ids=torch.tensor([ids], device=device), past_key_values=cache, use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[0, -1]

    for length in map(int, lengths):
        prompt = [i * 7919 % 150_000 for i in range(length)]
        caches = []

        def prefill():
            caches.clear()
            caches.append(DynamicCache())
            return step(prompt, caches[0])

        ms, logits = median(rounds_of(length), prefill, device)
        say(f"prefill {length}", ms, f"{logits[0].item():.4f}")
        for timed in False, True:
            start = time.perf_counter()
            for _ in range(WRITTEN if timed else 4):
                logits = step([int(logits.argmax())], caches[0])
            wait(device)
        ms = (time.perf_counter() - start) * 1e3 / WRITTEN
        say(f"decode after {length}", ms, int(logits.argmax()))
        if device.startswith("cuda"):
            gigabytes = torch.cuda.max_memory_allocated() / 1e9
            say(f"memory at {length}", 0, f"{gigabytes:.1f} GB")


class Reader(nn.Module):
    """A copy of the built-in encoder and readout at one ratio: EncoderModel in
    glyph-encode/src/builtin/model.rs, ReadoutModel in glyph-decode/src/readout/model.rs."""

    def __init__(self, level):
        super().__init__()
        from safetensors.torch import load_file

        self.level = level
        self.patches, self.cells = ((4, 8), (16, 32))[level]
        self.weights = nn.ParameterDict()
        for path in "glyph-encode/assets/encoder", "glyph-decode/assets/readout":
            for name, tensor in load_file(ROOT / f"{path}.safetensors").items():
                other = f".{1 - level}."
                if name.startswith(("mergers", "expanders")) and other in name:
                    continue
                self.weights[name.replace(".", "/")] = nn.Parameter(tensor.float())

    def get(self, name):
        return self.weights[name.replace(".", "/")]

    def linear(self, name, x):
        return x @ self.get(f"{name}.weight") + self.get(f"{name}.bias")

    def norm(self, name, x):
        gamma, beta = self.get(f"{name}.gamma"), self.get(f"{name}.beta")
        return functional.layer_norm(x, gamma.shape, gamma, beta, eps=1e-5)

    def mlp(self, up, down, x):
        return self.linear(down, functional.gelu(self.linear(up, x)))

    def tokens(self, windows):
        x = self.mlp("stem_in", "stem_out", windows) + self.get("position")
        rows, n, d = x.shape
        for i in range(2):
            qkv = self.linear(f"blocks.{i}.qkv", self.norm(f"blocks.{i}.norm_attention", x))
            q, k, v = qkv.reshape(rows, n, 3, 4, d // 4).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(q, k, v)
            x = x + self.linear(f"blocks.{i}.proj", mixed.transpose(1, 2).reshape(rows, n, d))
            hidden = self.norm(f"blocks.{i}.norm_mlp", x)
            x = x + self.mlp(f"blocks.{i}.up", f"blocks.{i}.down", hidden)
        x = self.norm("norm", x).reshape(rows, n // self.patches, self.patches * d)
        merger = f"mergers.{self.level}"
        return self.norm(f"{merger}.norm", self.mlp(f"{merger}.up", f"{merger}.down", x))

    def features(self, windows):
        tokens = self.tokens(windows).flatten(0, 1)
        expander = f"expanders.{self.level}"
        x = self.mlp(f"{expander}.up", f"{expander}.down", tokens)
        return self.norm(f"{expander}.norm", x.reshape(len(tokens) * self.cells, -1))

    def forward(self, windows):
        """Classes of all cells; the second softmax where the first says so."""
        x = self.features(windows)
        head = self.linear("head", x).softmax(1)
        sure, best = head.max(1)
        rest = (best == TAIL).nonzero()[:, 0]
        tail = self.linear("tail", x[rest]).softmax(1).max(1)
        return sure, best, rest, tail.indices


def windows_of(rows):
    """As row_windows in tools/onnx/export_encoder.py, for [rows, 14, 672] grey."""
    ink = (255 - rows).astype(numpy.float32) / 255
    ink = numpy.pad(ink, ((0, 0), (0, 0), (7, 7)))
    windows = [ink[:, :, 14 * i:14 * i + 28] for i in range(48)]
    return torch.from_numpy(numpy.stack(windows, 1).reshape(len(rows), 48, 392))


def sample_rows():
    """Rows of text with what ONNX Runtime makes of them, to check the copy by."""
    from PIL import Image
    from safetensors.torch import load_file

    fixtures = ROOT / "examples/onnx_encoder/tests/fixtures"
    grey = numpy.array(Image.open(fixtures / "rows.png").convert("L"))
    return windows_of(grey.reshape(-1, 14, grey.shape[1])), load_file(
        fixtures / "onnxruntime.safetensors"
    )


def reader(device):
    rows, expected = sample_rows()
    pages = 16
    for level, name in enumerate(["local", "global"]):
        model = Reader(level).eval().to(device)
        error = (model.tokens(rows.to(device)).cpu() - expected[name]).abs().max().item()
        if error > 1e-2:
            sys.exit(f"the copy of the encoder is wrong by {error}")
        many = rows.repeat(pages * ROWS_OF_A_PAGE // len(rows) + 1, 1, 1)
        many = many[: pages * ROWS_OF_A_PAGE].to(device)
        # Full pages, and the network alone: neither drawing, nor reading lines.
        ms, _ = median(5, lambda: model(many), device)
        say(f"reader {name}, ms a page", ms / pages, f"{pages * 1e3 / ms:.1f} pages/s")


def train(device):
    """The reader's training step: 32 rows, both ratios, AdamW, gradients clipped to 1."""
    rows, _ = sample_rows()
    x = rows.repeat(16, 1, 1)[:32].to(device)
    models = [Reader(0).to(device), Reader(1).to(device)]
    # The two ratios share the trunk.
    for name, weight in models[0].weights.items():
        if not name.startswith(("mergers", "expanders")):
            models[1].weights[name] = weight
    weights = list({id(p): p for model in models for p in model.parameters()}.values())
    optimizer = torch.optim.AdamW(weights, lr=1e-5, betas=(0.9, 0.98), weight_decay=0.01)
    target = torch.arange(32 * 96, device=device) % 272
    tail = torch.arange(0, 32 * 96, 12, device=device)

    def step():
        loss = 0
        for model in models:
            features = model.features(x)
            loss = loss + functional.cross_entropy(model.linear("head", features), target)
            rare = model.linear("tail", features[tail])
            loss = loss + functional.cross_entropy(rare, target[tail])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        return loss

    ms, loss = median(20, step, device)
    say("train step", ms, f"{1e3 / ms:.1f} steps/s")


def main():
    command, *args = sys.argv[1:]
    commands = {"clip": clip, "decoder": decoder, "reader": reader, "train": train}
    if command == "train":
        return train(*args)
    with torch.inference_mode():
        commands[command](*args)


main()

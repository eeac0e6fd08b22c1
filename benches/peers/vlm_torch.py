"""Speed of PyTorch on a checkpoint: the same work as benches/src/bin/vlm_speed.rs.

python vlm_torch.py clip|qwen2-vl FOLDER f32|f16|bf16 THREADS
"""

import sys
import time

import numpy
import torch
from transformers import CLIPVisionModelWithProjection, Qwen2VLForConditionalGeneration

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def pixels(*shape):
    i = numpy.arange(numpy.prod(shape))
    values = ((i * 7919 % 1009).astype("float32") / 504.5 - 1.0).reshape(shape)
    return torch.from_numpy(values)


def now():
    """Time that passes, and of all processors."""
    return numpy.array([time.perf_counter(), time.process_time()])


def best(rounds, run, steps=1):
    least = numpy.full(2, numpy.inf)
    for _ in range(rounds):
        start = now()
        out = run()
        least = numpy.minimum(least, now() - start)
    return "\t".join(f"{t * 1e3 / steps:.2f}" for t in least), out


def clip(folder, dtype):
    model = CLIPVisionModelWithProjection.from_pretrained(
        folder, dtype=dtype, attn_implementation="sdpa"
    ).eval()
    for batch in [1, 4]:
        x = pixels(batch, 3, 224, 224).to(dtype)
        ms, out = best(3, lambda: model(pixel_values=x).image_embeds)
        print(f"clip batch {batch}\t{ms}\t{out[0, 0].item():.4f}", flush=True)


def qwen2_vl(folder, dtype):
    model = Qwen2VLForConditionalGeneration.from_pretrained(
        folder, dtype=dtype, attn_implementation="sdpa"
    ).eval()
    grid = torch.tensor([[1, 32, 24]])
    patches = pixels(32 * 24, 1176).to(dtype)
    ms, out = best(2, lambda: model.model.visual(patches, grid_thw=grid).pooler_output)
    print(f"tower 768 patches\t{ms}\t{out[0, 0].item():.4f}", flush=True)

    def step(ids, cache):
        return model(
            input_ids=torch.tensor([ids]), past_key_values=cache, use_cache=True, logits_to_keep=1
        )

    prompt = [i * 7919 % 150_000 for i in range(512)]
    step(prompt[:16], None)
    ms, out = best(1, lambda: step(prompt, None))
    print(f"prefill 512\t{ms}\t{out.logits[0, -1, 0].item():.4f}", flush=True)

    def decode(out=out, steps=16):
        for _ in range(steps):
            token = int(out.logits[0, -1].argmax())
            out = step([token], out.past_key_values)
        return int(out.logits[0, -1].argmax())

    ms, token = best(1, decode, steps=16)
    print(f"decode after 512\t{ms}\t{token}", flush=True)


def main():
    what, folder, dtype, threads = sys.argv[1:5]
    torch.set_num_threads(int(threads))
    with torch.inference_mode():
        {"clip": clip, "qwen2-vl": qwen2_vl}[what](folder, DTYPES[dtype])


main()

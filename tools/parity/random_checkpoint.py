#!/usr/bin/env python3
"""Writes a checkpoint of a published model's full size with random weights.

    pip install torch torchvision transformers
    tools/parity/random_checkpoint.py FAMILY OUT [--dtype f16|bf16|f32] [--layers N] [--seed N]

FAMILY: qwen2-vl-2b, qwen2.5-vl-3b, glm4v-9b, smolvlm-256m, clip-vit-l-14. With --layers, both the
text model and the vision tower have at most so many.

For what random weights can tell: loading, memory, speed, and parity of single passes at full size.
The folder has the files, names and layouts of the published one, without a tokenizer. Weights are
normal(0, 0.02), norms are 1 with biases of 0. All are cut from one block of random numbers whose
length is a prime, each from its own place on, so that no two rows are alike and 4 GB are written as
fast as the disk takes them, in the memory of the block. The same seed gives the same bytes.
"""

import argparse
import json
import math
import re
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch

DTYPES = {
    "f16": (torch.float16, "F16", "float16"),
    "bf16": (torch.bfloat16, "BF16", "bfloat16"),
    "f32": (torch.float32, "F32", "float32"),
}
SHARD_BYTES = 2 * 10**9
BLOCK = 2**24 - 3
STD = 0.02

CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
QWEN_IDS = dict(
    vision_start_token_id=151652, vision_end_token_id=151653, vision_token_id=151654,
    image_token_id=151655, video_token_id=151656, bos_token_id=151643, eos_token_id=151645,
)
QWEN_TEXT = dict(
    attention_dropout=0.0, hidden_act="silu", initializer_range=0.02, rms_norm_eps=1e-6,
    rope_theta=1000000.0, rope_scaling={"type": "mrope", "mrope_section": [16, 24, 24]},
    tie_word_embeddings=True, transformers_version="4.41.2", use_cache=True,
    use_sliding_window=False, sliding_window=32768, vocab_size=151936,
)
QWEN_GENERATION = dict(
    bos_token_id=151643, pad_token_id=151643, eos_token_id=[151645, 151643], do_sample=True,
    top_k=1, top_p=0.001, temperature=0.01, repetition_penalty=1.0,
)
QWEN_PREPROCESSOR = dict(
    min_pixels=3136, max_pixels=12845056, patch_size=14, temporal_patch_size=2, merge_size=2,
    image_mean=CLIP_MEAN, image_std=CLIP_STD, image_processor_type="Qwen2VLImageProcessor",
    processor_class="Qwen2VLProcessor",
)
QWEN_PATCHES = dict(
    in_chans=3, patch_size=14, spatial_merge_size=2, spatial_patch_size=14, temporal_patch_size=2,
)
# What transformers calls model.visual and model.language_model, the published files do not.
QWEN_NAMES = [(r"^model\.visual\.", "visual."), (r"^model\.language_model\.", "model.")]


@dataclass
class Family:
    model_class: str
    # config.json, preprocessor_config.json and generation_config.json as they are published.
    config: dict
    preprocessor: dict
    generation: dict | None
    # From the names in transformers to those in the files: pattern, replacement.
    renames: list
    # Where the numbers of layers stand in the configuration.
    text_layers: tuple
    depth: tuple


FAMILIES = {
    "qwen2-vl-2b": Family(
        "Qwen2VLForConditionalGeneration",
        dict(
            architectures=["Qwen2VLForConditionalGeneration"], model_type="qwen2_vl",
            **QWEN_IDS, **QWEN_TEXT, hidden_size=1536, intermediate_size=8960,
            num_hidden_layers=28, num_attention_heads=12, num_key_value_heads=2, max_position_embeddings=32768, max_window_layers=28,
            vision_config=dict(QWEN_PATCHES, depth=32, embed_dim=1280, mlp_ratio=4, num_heads=16,
                               hidden_size=1536),
        ),
        QWEN_PREPROCESSOR, QWEN_GENERATION, QWEN_NAMES, ("num_hidden_layers",), ("vision_config", "depth"),
    ),
    "qwen2.5-vl-3b": Family(
        "Qwen2_5_VLForConditionalGeneration",
        dict(
            architectures=["Qwen2_5_VLForConditionalGeneration"], model_type="qwen2_5_vl",
            **QWEN_IDS, **QWEN_TEXT, hidden_size=2048, intermediate_size=11008,
            num_hidden_layers=36, num_attention_heads=16, num_key_value_heads=2, max_position_embeddings=128000, max_window_layers=70,
            vision_config=dict(
                QWEN_PATCHES, depth=32, hidden_act="silu", hidden_size=1280, intermediate_size=3420,
                num_heads=16, out_hidden_size=2048, window_size=112, fullatt_block_indexes=[7, 15, 23, 31],
                tokens_per_second=2,
            ),
        ),
        dict(QWEN_PREPROCESSOR, processor_class="Qwen2_5_VLProcessor"),
        dict(QWEN_GENERATION, temperature=1e-6, repetition_penalty=1.05),
        QWEN_NAMES, ("num_hidden_layers",), ("vision_config", "depth"),
    ),
    "glm4v-9b": Family(
        "Glm4vForConditionalGeneration",
        dict(
            architectures=["Glm4vForConditionalGeneration"], model_type="glm4v", tie_word_embeddings=False,
            image_start_token_id=151339, image_end_token_id=151340, video_start_token_id=151341,
            video_end_token_id=151342, image_token_id=151343, video_token_id=151344,
            transformers_version="4.57.1",
            text_config=dict(
                model_type="glm4v_text", vocab_size=151552, hidden_size=4096, intermediate_size=13696,
                num_hidden_layers=40, num_attention_heads=32, num_key_value_heads=2, head_dim=128,
                attention_bias=True, attention_dropout=0.0, hidden_act="silu", initializer_range=0.02,
                max_position_embeddings=65536, rms_norm_eps=1e-5, use_cache=True, pad_token_id=151329,
                eos_token_id=[151329, 151336, 151338, 151348], partial_rotary_factor=0.5, rope_theta=10000.0,
                rope_scaling={"rope_type": "default", "mrope_section": [8, 12, 12]},
            ),
            vision_config=dict(
                model_type="glm4v", depth=24, hidden_size=1536, num_heads=12, attention_bias=False,
                attention_dropout=0.0, hidden_dropout_prob=0.0, hidden_act="silu", image_size=336,
                in_channels=3, initializer_range=0.02, intermediate_size=13696, out_hidden_size=4096,
                patch_size=14, rms_norm_eps=1e-5, spatial_merge_size=2, temporal_patch_size=2,
            ),
        ),
        dict(
            size={"shortest_edge": 12544, "longest_edge": 9633792}, do_rescale=True, patch_size=14,
            temporal_patch_size=2, merge_size=2, image_mean=CLIP_MEAN, image_std=CLIP_STD,
            image_processor_type="Glm4vImageProcessor", processor_class="Glm4vProcessor",
        ),
        dict(do_sample=True, eos_token_id=[151329, 151336, 151338, 151348], pad_token_id=151329,
             top_k=2, top_p=0.6, temperature=0.8),
        [], ("text_config", "num_hidden_layers"), ("vision_config", "depth"),
    ),
    "smolvlm-256m": Family(
        "Idefics3ForConditionalGeneration",
        dict(
            architectures=["Idefics3ForConditionalGeneration"], model_type="idefics3", image_token_id=49190,
            pad_token_id=2, scale_factor=4, tie_word_embeddings=False,
            transformers_version="4.46.0", use_cache=True,
            text_config=dict(
                model_type="llama", vocab_size=49280, hidden_size=576, intermediate_size=1536,
                num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3, head_dim=64,
                hidden_act="silu", attention_bias=False, mlp_bias=False, max_position_embeddings=8192,
                rms_norm_eps=1e-5, rope_theta=100000, rope_scaling=None, rope_interleaved=False,
                initializer_range=0.041666666666666664, pixel_shuffle_factor=4, bos_token_id=1,
                eos_token_id=2, pad_token_id=2, tie_word_embeddings=False, use_cache=True,
            ),
            vision_config=dict(
                model_type="idefics3", hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
                num_attention_heads=12, num_channels=3, image_size=512, patch_size=16,
                hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-6, attention_dropout=0.0,
                max_image_size={"longest_edge": 512}, size={"longest_edge": 2048}, use_base_siglip=True,
            ),
        ),
        dict(
            do_convert_rgb=True, do_image_splitting=True, do_normalize=True, do_pad=True, do_rescale=True,
            do_resize=True, image_mean=[0.5] * 3, image_std=[0.5] * 3,
            image_processor_type="Idefics3ImageProcessor",
            max_image_size={"longest_edge": 512}, processor_class="Idefics3Processor", resample=1,
            rescale_factor=0.00392156862745098, size={"longest_edge": 2048},
        ),
        dict(bos_token_id=1, eos_token_id=49279, pad_token_id=2),
        [], ("text_config", "num_hidden_layers"), ("vision_config", "num_hidden_layers"),
    ),
    "clip-vit-l-14": Family(
        "CLIPModel",
        dict(
            architectures=["CLIPModel"], model_type="clip", initializer_factor=1.0,
            logit_scale_init_value=2.6592, projection_dim=768, transformers_version="4.16.0.dev0",
            text_config=dict(
                model_type="clip_text_model", vocab_size=49408, hidden_size=768, intermediate_size=3072,
                num_hidden_layers=12, num_attention_heads=12, max_position_embeddings=77,
                hidden_act="quick_gelu", layer_norm_eps=1e-5, projection_dim=768, bos_token_id=0,
                eos_token_id=2, pad_token_id=1,
            ),
            vision_config=dict(
                model_type="clip_vision_model", hidden_size=1024, intermediate_size=4096,
                num_hidden_layers=24, num_attention_heads=16, image_size=224, patch_size=14,
                hidden_act="quick_gelu", layer_norm_eps=1e-5, projection_dim=768,
            ),
        ),
        dict(
            crop_size=224, do_center_crop=True, do_normalize=True, do_resize=True, image_mean=CLIP_MEAN,
            image_std=CLIP_STD, feature_extractor_type="CLIPFeatureExtractor", resample=3, size=224,
        ),
        None, [], ("text_config", "num_hidden_layers"), ("vision_config", "num_hidden_layers"),
    ),
}


def limit(config, path, layers):
    """Sets the number at `path` to at most `layers`."""
    *outer, name = path
    for key in outer:
        config = config[key]
    config[name] = min(config[name], layers)
    if "fullatt_block_indexes" in config:
        config["fullatt_block_indexes"] = [i for i in config["fullatt_block_indexes"] if i < layers]


def tensors(family, config):
    """Name, shape and kind ("weight", "one", "zero" or "scale") of every tensor in the file, by building the
    model without memory."""
    import transformers

    model_class = getattr(transformers, family.model_class)
    # A configuration takes its dictionary apart.
    settings = model_class.config_class.from_dict(json.loads(json.dumps(config)))
    with torch.device("meta"):
        model = model_class(settings)
    kinds = {}
    for prefix, module in model.named_modules():
        if "Norm" in type(module).__name__:
            kinds |= {f"{prefix}.weight": "one", f"{prefix}.bias": "zero"}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.get("tie_word_embeddings"):
            continue
        kind = "scale" if name == "logit_scale" else kinds.get(name, "weight")
        for pattern, replacement in family.renames:
            name = re.sub(pattern, replacement, name)
        yield name, list(tensor.shape), kind


class Weights:
    """Bytes of tensors, cut from one block."""

    def __init__(self, dtype, seed):
        generator = torch.Generator().manual_seed(seed)
        self.dtype, self.seed = dtype, seed
        self.block = self.bytes(torch.randn(BLOCK, generator=generator) * STD)

    def bytes(self, values):
        return memoryview(values.to(self.dtype).view(torch.uint8).numpy())

    def write(self, file, name, count, kind):
        if kind != "weight":
            value = {"one": 1.0, "zero": 0.0, "scale": math.log(100)}[kind]
            file.write(self.bytes(torch.full((count,), value)))
            return
        size = self.dtype.itemsize
        at, left = zlib.crc32(f"{self.seed} {name}".encode()) % BLOCK * size, count * size
        while left:
            piece = self.block[at : at + left]
            file.write(piece)
            left, at = left - len(piece), 0


def shards(entries, size):
    """Groups of tensors of at most SHARD_BYTES."""
    group, total = [], 0
    for entry in entries:
        length = math.prod(entry[1]) * size
        if group and total + length > SHARD_BYTES:
            yield group
            group, total = [], 0
        group.append(entry)
        total += length
    yield group


def write_shard(path, group, weights, code):
    """https://github.com/huggingface/safetensors#format"""
    size, at, header = weights.dtype.itemsize, 0, {"__metadata__": {"format": "pt"}}
    for name, shape, _ in group:
        end = at + math.prod(shape) * size
        header[name] = {"dtype": code, "shape": shape, "data_offsets": [at, end]}
        at = end
    header = json.dumps(header).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for name, shape, kind in group:
            weights.write(file, name, math.prod(shape), kind)
    return at


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dtype", choices=DTYPES, default="bf16")
    parser.add_argument("--layers", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    family = FAMILIES[options.family]
    dtype, code, dtype_name = DTYPES[options.dtype]
    config = json.loads(json.dumps(family.config)) | {"torch_dtype": dtype_name}
    if options.layers is not None:
        if options.layers < 1:
            sys.exit(f"--layers: expected at least 1, found {options.layers}")
        for path in (family.text_layers, family.depth):
            limit(config, path, options.layers)

    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    if found := sorted(out.glob("*.safetensors*")):
        sys.exit(f"{out}: expected no checkpoint, found {found[0].name}")
    groups = list(shards(tensors(family, config), dtype.itemsize))
    weights, total, index = Weights(dtype, options.seed), 0, {}
    for i, group in enumerate(groups):
        part = "" if len(groups) == 1 else f"-{i + 1:05}-of-{len(groups):05}"
        name = f"model{part}.safetensors"
        total += write_shard(out / name, group, weights, code)
        index |= {tensor: name for tensor, _, _ in group}
        print(f"{name}: {len(group)} tensors", flush=True)
    if len(groups) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": index}
        write_json(out / "model.safetensors.index.json", index)
    write_json(out / "config.json", config)
    write_json(out / "preprocessor_config.json", family.preprocessor)
    if family.generation:
        write_json(out / "generation_config.json", family.generation)
    print(f"{total / 1e9:.2f} GB")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes the fixtures of glyph-encode/tests/preprocess.rs.

    pip install torch torchvision transformers pillow numpy
    tools/parity/preprocess.py glyph-encode/tests/fixtures/preprocess

Small pictures; what torchvision resizes noise to, as checksums; the sizes that transformers gives
to pictures; and pixel values of its image and video processors, as checksums, sums and samples.
"""

import json
import random
import sys
import zlib
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image, ImageDraw, ImageFont
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional
from transformers.models.glm4v.image_processing_glm4v import smart_resize as smart_resize_glm4v
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize as smart_resize_qwen2_vl

FILTERS = {1: InterpolationMode.LANCZOS, 2: InterpolationMode.BILINEAR, 3: InterpolationMode.BICUBIC}


def noise(width, height):
    """Bytes of a linear congruential generator; the test makes the same."""
    count = width * height * 3
    with np.errstate(over="ignore"):
        power = np.cumprod(np.full(count, 1664525, np.uint32), dtype=np.uint32)
        series = np.cumsum(np.concatenate([[np.uint32(1)], power[:-1]]), dtype=np.uint32)
        state = power * np.uint32((width * 2654435761 + height) & 0xFFFFFFFF) + series * np.uint32(1013904223)
    return (state >> 24).astype(np.uint8).reshape(height, width, 3)


def pictures():
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:61, 0:97]
    photo = np.stack([x * 2.2 + y * 0.5, 200 - y * 2.5, 128 + 90 * np.sin((x + 2 * y) / 9)], axis=-1)
    photo = np.clip(photo + rng.normal(0, 12, photo.shape), 0, 255).astype(np.uint8)

    page = Image.new("L", (210, 297), 255)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(9)
    for line in range(24):
        words = ["".join(rng.choice(list("abcdefghinorstu"), rng.integers(2, 8))) for _ in range(6)]
        draw.text((12, 10 + 11 * line), " ".join(words), fill=int(rng.choice([0, 0, 90])), font=font)

    small = rng.integers(0, 256, (13, 10, 3), dtype=np.uint8)
    ribbon = rng.integers(0, 256, (3, 300, 3), dtype=np.uint8)
    column = rng.integers(0, 256, (190, 7, 3), dtype=np.uint8)
    blocks = rng.integers(0, 256, (56, 84, 3), dtype=np.uint8)
    arrays = dict(photo=photo, small=small, ribbon=ribbon, column=column, blocks=blocks)
    return {"page": page, **{name: Image.fromarray(array) for name, array in arrays.items()}}


def resized():
    """[width, height, to width, to height, filter, CRC-32], among them sides that stay."""
    draw = random.Random(11)
    sides = lambda: draw.choice([1, 2, 3, draw.randint(1, 40), draw.randint(1, 160), 28, 56, 100, 128, 224])
    rows = [[1240, 1754, 1232, 1764, 3], [1240, 1754, 620, 877, 3], [640, 480, 1456, 1092, 1], [640, 480, 224, 168, 2]]
    while len(rows) < 160:
        width, height = sides(), sides()
        to = [width if draw.random() < 0.1 else sides(), height if draw.random() < 0.1 else sides()]
        # ATen's AVX2 kernel fails on results of one pixel, which are contiguous in two ways.
        if width * height > 1 and to != [1, 1]:
            rows.append([width, height, *to, draw.choice([1, 2, 3])])
    for row in rows:
        tensor = torch.from_numpy(noise(*row[:2])).permute(2, 0, 1).contiguous()
        out = functional.resize(tensor, [row[3], row[2]], interpolation=FILTERS[row[4]], antialias=True)
        row.append(zlib.crc32(out.permute(1, 2, 0).contiguous().numpy().tobytes()))
    return rows


def sizes():
    """Sizes, and what each family makes of them; null where it refuses."""
    draw = random.Random(5)
    sides = lambda: draw.choice([1, 13, 14, 27, 28, 42, 70, 98, draw.randint(1, 99), draw.randint(1, 999), draw.randint(1, 9999)])
    pages = [[842, 595], [1754, 1240], [3508, 2480], [1684, 1190], [994, 700], [1, 200], [1, 201], [200, 1], [201, 1]]
    inputs = pages + [[sides(), sides()] for _ in range(200 - len(pages))]
    videos = [[draw.choice([1, 2, 3, 4, 5, 7, 16, 100, 333]), sides(), sides()] for _ in range(100)]

    def sized(function, *args, **limits):
        try:
            return list(function(*args, **limits))
        except ValueError:
            return None

    qwen = [dict(min_pixels=56 * 56, max_pixels=28 * 28 * 1280), dict(min_pixels=3136, max_pixels=12845056),
            dict(factor=32, min_pixels=65536, max_pixels=16777216)]
    glm = [dict(min_pixels=112 * 112, max_pixels=28 * 28 * 15000), dict(min_pixels=112 * 112, max_pixels=9633792)]
    whole = dict(min_pixels=112 * 112, max_pixels=28 * 28 * 2 * 30000)
    return {
        "sizes": inputs,
        "qwen2_vl": [{**limits, "resized": [sized(smart_resize_qwen2_vl, *size, **limits) for size in inputs]} for limits in qwen],
        "glm4v": [{**limits, "resized": [sized(smart_resize_glm4v, 2, *size, **limits) for size in inputs]} for limits in glm],
        "videos": videos,
        "glm4v_videos": {**whole, "resized": [sized(smart_resize_glm4v, *video, **whole) for video in videos]},
    }


CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
# As transformers 4 wrote it.
QWEN2_VL = {"image_processor_type": "Qwen2VLImageProcessor", "min_pixels": 3136, "max_pixels": 12845056, "patch_size": 14,
            "temporal_patch_size": 2, "merge_size": 2, **CLIP}
QWEN2_VL_RESAVED = {"crop_size": None, "data_format": "channels_first", "do_center_crop": None, "do_convert_rgb": True,
                    "do_normalize": True, "do_rescale": True, "do_resize": True, "image_processor_type": "Qwen2VLImageProcessorFast",
                    "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"longest_edge": 12845056, "shortest_edge": 3136},
                    "max_pixels": None, "min_pixels": None, "merge_size": 2, "patch_size": 14, "temporal_patch_size": 2, **CLIP}
QWEN3_VL = {"size": {"longest_edge": 16777216, "shortest_edge": 65536}, "patch_size": 16, "temporal_patch_size": 2, "merge_size": 2,
            "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "processor_class": "Qwen3VLProcessor",
            "image_processor_type": "Qwen2VLImageProcessorFast"}
GLM4V = {"size": {"shortest_edge": 12544, "longest_edge": 9633792}, "do_rescale": True, "patch_size": 14, "temporal_patch_size": 2,
         "merge_size": 2, "image_processor_type": "Glm4vImageProcessor", "processor_class": "Glm4vProcessor", **CLIP}
SMOLVLM = {"do_convert_rgb": True, "do_image_splitting": True, "do_normalize": True, "do_pad": True, "do_rescale": True,
           "do_resize": True, "image_mean": [0.5, 0.5, 0.5], "image_processor_type": "Idefics3ImageProcessor",
           "image_std": [0.5, 0.5, 0.5], "max_image_size": {"longest_edge": 512}, "processor_class": "Idefics3Processor",
           "resample": 1, "rescale_factor": 0.00392156862745098, "size": {"longest_edge": 2048}}
CLIP_OLD = {"crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True,
            "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3, "size": 224, **CLIP}

IMAGES = [
    *[(picture, {"image_processor_type": name}) for name in ["Qwen2VLImageProcessor", "Glm4vImageProcessor"]
      for picture in ["photo", "page", "small", "ribbon", "column"]],
    ("photo", QWEN2_VL), ("page", QWEN2_VL_RESAVED), ("page", QWEN3_VL), ("photo", {**QWEN2_VL, "max_pixels": 4000}),
    ("photo", {**QWEN2_VL, "resample": 2, "merge_size": 1}), ("blocks", {**QWEN2_VL, "do_resize": False}),
    ("photo", {**QWEN2_VL, "image_processor_type": "Qwen2_5_VLImageProcessor", "temporal_patch_size": 1}),
    ("page", GLM4V), ("photo", {**GLM4V, "do_normalize": False}), ("small", {**GLM4V, "do_rescale": False}),
    ("blocks", {**GLM4V, "do_resize": False, "do_rescale": False, "do_normalize": False}),
    *[(picture, {"image_processor_type": "Idefics3ImageProcessor"}) for picture in ["photo", "page", "ribbon", "column"]],
    ("page", SMOLVLM), ("photo", {**SMOLVLM, "image_processor_type": "SmolVLMImageProcessor"}),
    ("photo", {**SMOLVLM, "do_image_splitting": False}), ("page", {**SMOLVLM, "size": {"longest_edge": 500}}),
    ("photo", {**SMOLVLM, "do_resize": False, "max_image_size": {"longest_edge": 32}, "resample": 3}),
    ("ribbon", {**SMOLVLM, "size": {"height": 90, "width": 50}, "max_image_size": {"longest_edge": 40}}),
    *[(picture, {"image_processor_type": "CLIPImageProcessor"}) for picture in ["photo", "page", "small", "ribbon"]],
    ("page", CLIP_OLD), ("photo", {**CLIP_OLD, "crop_size": {"height": 301, "width": 100}}),
    ("photo", {**CLIP_OLD, "size": {"height": 33, "width": 60}, "do_center_crop": False}),
    ("page", {**CLIP_OLD, "do_resize": False, "crop_size": 401}),
]

VIDEOS = [
    ("photo", 5, {"video_processor_type": "Qwen2VLVideoProcessor", **QWEN2_VL, "max_pixels": 5000}),
    ("photo", 1, {"video_processor_type": "Qwen2VLVideoProcessor"}),
    ("photo", 4, {"video_processor_type": "Qwen2VLVideoProcessor", "cap_pixels_per_frame": True, "max_video_tokens": 40,
                  "size": {"shortest_edge": 3136, "longest_edge": 602112}}),
    ("photo", 5, {"video_processor_type": "Glm4vVideoProcessor"}),
    ("column", 2, {"video_processor_type": "Glm4vVideoProcessor", **GLM4V}),
]


def processor(config):
    name = config.get("video_processor_type") or config.get("image_processor_type") or config["feature_extractor_type"]
    name = {"Qwen2_5_VLImageProcessor": "Qwen2VLImageProcessor", "CLIPFeatureExtractor": "CLIPImageProcessor"}.get(name, name)
    return getattr(transformers, name.removesuffix("Fast")).from_dict(config)


def measured(values):
    values = values.numpy().astype(np.float32).ravel()
    indices = np.unique(np.linspace(0, values.size - 1, 40).astype(int) ^ 1).clip(0, values.size - 1)
    return {"len": values.size, "crc32": zlib.crc32(values.tobytes()), "sum": values.sum(dtype=np.float64),
            "indices": indices.tolist(), "values": [float(f"{value:.9g}") for value in values[indices]]}


def image_case(picture, config, images):
    extra = {"return_row_col_info": True} if "Idefics3" in str(config) or "SmolVLM" in str(config) else {}
    out = processor(config)(images[picture], return_tensors="pt", **extra)
    case = {"picture": picture, "config": config, **measured(out["pixel_values"])}
    if "image_grid_thw" in out:
        case["grid"] = out["image_grid_thw"][0].tolist()
    elif extra:
        assert bool(out["pixel_attention_mask"].all())
        case["grid"] = [out["pixel_values"].shape[1], out["rows"][0][0], out["cols"][0][0]]
    else:
        case["grid"] = list(out["pixel_values"].shape[1:])
    return case


def video_case(picture, frames, config, images):
    """Each frame is the picture moved up by three more rows."""
    picture_array = np.array(images[picture])
    video = np.stack([np.roll(picture_array, -3 * frame, axis=0) for frame in range(frames)])
    video = torch.from_numpy(video).permute(0, 3, 1, 2).contiguous()
    out = processor(config)(videos=[video], do_sample_frames=False, return_tensors="pt")
    return {"picture": picture, "frames": frames, "config": config, **measured(out["pixel_values_videos"]),
            "grid": out["video_grid_thw"][0].tolist()}


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    images = pictures()
    for name, picture in images.items():
        picture.save(folder / f"{name}.png", optimize=True)
    one_a_line = lambda rows: "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"
    (folder / "resize.json").write_text(one_a_line(resized()))
    (folder / "sizes.json").write_text(json.dumps(sizes()).replace("], \"", "],\n\"").replace("}, {", "},\n{") + "\n")
    cases = [image_case(*case, images) for case in IMAGES] + [video_case(*case, images) for case in VIDEOS]
    (folder / "cases.json").write_text(one_a_line(cases))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

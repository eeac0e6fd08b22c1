"""Qwen2-VL: LayerNorm and quick GELU in the vision tower, tied embeddings, two shards, f32."""

import torch
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

from patch_models import Family, Runner, write

VOCAB = 160
IM_START, IM_END, VISION_START, VISION_END, VISION_PAD, IMAGE, VIDEO = range(150, 157)
SPECIAL = (0, IM_START, IM_END, VISION_START, VISION_END, VISION_PAD, IMAGE, VIDEO)
TEXT = dict(
    vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-6,
    hidden_act="silu", bos_token_id=0, eos_token_id=IM_END, use_sliding_window=False,
    sliding_window=512, max_window_layers=2, attention_dropout=0.0, initializer_range=0.02,
)
IDS = dict(image_token_id=IMAGE, video_token_id=VIDEO, vision_start_token_id=VISION_START,
           vision_end_token_id=VISION_END)
VISION = dict(depth=2, embed_dim=16, hidden_size=32, num_heads=2, mlp_ratio=4, in_channels=3,
              patch_size=14, temporal_patch_size=2, spatial_merge_size=2, hidden_act="quick_gelu")
MROPE = [1, 1, 2]
# Low, so that height and width turn the few pairs of a tiny head visibly.
THETA = 100.0

ASK = [IM_START, 5, 61, 7]
ANSWER = [IM_END, 12, IM_START, 33, 90]
PROMPTS = {
    "one": ([*ASK, "image", 44, 101, 2, *ANSWER], ["wide"]),
    "two": ([*ASK, "image", 17, 81, "image", 120, 3, *ANSWER], ["wide", "tall"]),
    "text": ([*ASK, 9, 140, 66, 28, 75, *ANSWER], []),
    "batch": [([*ASK, 44, "image", 71, *ANSWER], ["tall"]), ([IM_START, 8, 55, 91, 13, 6], [])],
}
FRAMES = [f"frame{i}" for i in range(4)]
# Sizes that are resized, except for the frames of a video.
SIZES = {"wide": (61, 87), "tall": (107, 45)} | {name: (28, 56) for name in FRAMES}
PIXELS = {"shortest_edge": 28 * 28, "longest_edge": 28 * 28 * 64}


class QwenRunner(Runner):
    def video_ids(self, prompt, grid):
        count = int(grid.prod()) // 4
        i = prompt.index("video")
        return torch.tensor([[*prompt[:i], VISION_START, *[VIDEO] * count, VISION_END, *prompt[i + 1 :]]])


def family():
    rope = dict(rope_type="default", rope_theta=THETA, mrope_section=MROPE)
    config = Qwen2VLConfig(text_config=dict(TEXT, rope_parameters=rope), vision_config=VISION,
                           tie_word_embeddings=True, **IDS)
    return Family(
        Qwen2VLForConditionalGeneration, config, Qwen2VLImageProcessor(size=dict(PIXELS)),
        Qwen2VLVideoProcessor(size=dict(PIXELS), cap_pixels_per_frame=False), torch.float32, "110KB",
        ([VISION_START], [VISION_END]), SIZES, PROMPTS,
        video=([*ASK, "video", 19, *ANSWER], FRAMES), special=SPECIAL, keep_pixel_values=True,
    )


def config_v4():
    """As transformers 4 wrote it, and the published checkpoints have it: one flat level."""
    return dict(
        architectures=["Qwen2VLForConditionalGeneration"], **TEXT, **IDS, model_type="qwen2_vl",
        vision_token_id=VISION_PAD, rope_scaling=dict(type="mrope", mrope_section=MROPE),
        rope_theta=THETA, tie_word_embeddings=True, torch_dtype="float32",
        transformers_version="4.41.2", use_cache=True,
        vision_config=dict(
            depth=VISION["depth"], embed_dim=VISION["embed_dim"], mlp_ratio=VISION["mlp_ratio"],
            num_heads=VISION["num_heads"], in_chans=3, hidden_size=VISION["hidden_size"],
            patch_size=14, spatial_merge_size=2, spatial_patch_size=14, temporal_patch_size=2,
        ),
    )


def make(folder):
    return write(family(), QwenRunner, folder, config_v4())

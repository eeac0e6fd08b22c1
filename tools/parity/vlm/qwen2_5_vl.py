"""Qwen2.5-VL: windowed and full attention in turns, RMSNorm and gated MLPs with biases, bf16."""

import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor
from transformers.vision_utils import get_vision_window_index

import common
import qwen2_vl as qwen2
from patch_models import Family, write

TEXT = dict(qwen2.TEXT, hidden_size=64)
MROPE = [2, 3, 3]
VISION = dict(depth=4, hidden_size=16, hidden_act="silu", intermediate_size=40, num_heads=2,
              in_channels=3, patch_size=14, spatial_merge_size=2, temporal_patch_size=2,
              tokens_per_second=4, window_size=56, out_hidden_size=64, fullatt_block_indexes=[1, 3])
# Neither side a multiple of the window: 4 x 6 and 6 x 10 patches in windows of 4 x 4.
SIZES = {name: size for name, size in qwen2.SIZES.items() if name != "tall"} | {"big": (97, 139)}
ASK, ANSWER = qwen2.ASK, qwen2.ANSWER
PROMPTS = {
    "one": ([*ASK, "image", 44, 101, 2, *ANSWER], ["big"]),
    "two": ([*ASK, "image", 17, 81, "image", 120, 3, *ANSWER], ["wide", "big"]),
    "text": ([*ASK, 9, 140, 66, 28, 75, *ANSWER], []),
    "batch": [([*ASK, 44, "image", 71, *ANSWER], ["wide"]), ([qwen2.IM_START, 8, 55, 91, 13, 6], [])],
}
# 4 tokens a second: a step of 3 from one pair of frames to the next.
SECONDS_PER_GRID = 0.75


class Qwen25Runner(qwen2.QwenRunner):
    def restore_order(self, vision, grid):
        if grid is None:
            return vision
        order = get_vision_window_index(grid, 2, VISION["window_size"], VISION["patch_size"])[0]
        back = torch.argsort(order)
        for name, x in vision.items():
            if ".block." in name:
                vision[name] = x.reshape(len(back), 4, -1)[back].reshape(x.shape)
        return vision | {"vision.window_index": order}

    def check_vision(self, inputs, tensors):
        if "image_grid_thw" not in inputs:
            return
        own = self.visual.fullatt_block_indexes
        self.visual.fullatt_block_indexes = range(4)
        other = self.visual(inputs["pixel_values"], inputs["image_grid_thw"]).pooler_output
        self.visual.fullatt_block_indexes = own
        if (other - tensors["vision_embeds"]).abs().max() < 0.05:
            raise common.Unfit("windows hardly matter")

    def timing(self, stored):
        stored["second_per_grid_ts"] = torch.tensor([SECONDS_PER_GRID])
        return {"second_per_grid_ts": stored["second_per_grid_ts"]}


def family():
    rope = dict(rope_type="default", rope_theta=qwen2.THETA, mrope_section=MROPE)
    config = Qwen2_5_VLConfig(text_config=dict(TEXT, rope_parameters=rope), vision_config=VISION,
                              tie_word_embeddings=False, **qwen2.IDS)
    return Family(
        Qwen2_5_VLForConditionalGeneration, config, Qwen2VLImageProcessor(size=dict(qwen2.PIXELS)),
        Qwen2VLVideoProcessor(size=dict(qwen2.PIXELS), cap_pixels_per_frame=False), torch.bfloat16, None,
        ([qwen2.VISION_START], [qwen2.VISION_END]), SIZES, PROMPTS,
        video=([*ASK, "video", 19, *ANSWER], qwen2.FRAMES), special=qwen2.SPECIAL,
    )


def config_v4():
    vision = {k: v for k, v in VISION.items() if k != "in_channels"}
    return dict(
        architectures=["Qwen2_5_VLForConditionalGeneration"], **TEXT, **qwen2.IDS,
        model_type="qwen2_5_vl", vision_token_id=qwen2.VISION_PAD,
        rope_scaling=dict(type="mrope", mrope_section=MROPE), rope_theta=qwen2.THETA,
        tie_word_embeddings=False, torch_dtype="bfloat16", transformers_version="4.41.2",
        use_cache=True, vision_config=dict(vision, in_chans=3, spatial_patch_size=14),
    )


def make(folder):
    return write(family(), Qwen25Runner, folder, config_v4())

"""GLM-4.1V: learned positions resampled bicubically, four norms a layer, half of each head turned
in interleaved pairs, frames of a video as images between timestamps, f16."""

import torch
from transformers import Glm4vConfig, Glm4vForConditionalGeneration
from transformers.models.glm4v.image_processing_glm4v import Glm4vImageProcessor
from transformers.models.glm4v.video_processing_glm4v import Glm4vVideoProcessor

from patch_models import Family, Runner, write

END, USER, ASSISTANT, IMAGE_START, IMAGE_END, VIDEO_START, VIDEO_END, IMAGE, VIDEO = range(149, 158)
SPECIAL = (0, *range(END, VIDEO + 1))
IDS = dict(image_token_id=IMAGE, video_token_id=VIDEO, image_start_token_id=IMAGE_START,
           image_end_token_id=IMAGE_END, video_start_token_id=VIDEO_START, video_end_token_id=VIDEO_END)
TEXT = dict(
    vocab_size=160, hidden_size=64, intermediate_size=48, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-5,
    hidden_act="silu", attention_dropout=0.0, initializer_range=0.02, pad_token_id=END,
    eos_token_id=[END, USER],
)
# A grid of 8 x 8 learned positions; the MLPs of the blocks are as wide as out_hidden_size.
VISION = dict(depth=2, hidden_size=16, hidden_act="silu", attention_bias=False, num_heads=2,
              in_channels=3, image_size=112, patch_size=14, rms_norm_eps=1e-5,
              spatial_merge_size=2, temporal_patch_size=2, out_hidden_size=64, intermediate_size=40)
MROPE = [1, 1, 2]
# Low, so that height and width turn the few pairs of a tiny head visibly.
THETA = 100.0

ASK = [2, 3, USER, 61, 7]
ANSWER = [12, ASSISTANT, 33, 90]
PROMPTS = {
    "one": ([*ASK, "image", 44, 101, 5, *ANSWER], ["wide"]),
    "two": ([*ASK, "image", 17, 81, "image", 120, 3, *ANSWER], ["long", "wide"]),
    "text": ([*ASK, 9, 140, 66, 28, 75, *ANSWER], []),
    "batch": [([*ASK, 44, "image", 71, *ANSWER], ["long"]), ([2, 3, USER, 8, 55, 91], [])],
}
# 4 x 6 patches, fewer than learned positions; 10 x 4, more one way and fewer the other.
FRAMES = [f"frame{i}" for i in range(4)]
SIZES = {"wide": (61, 87), "long": (139, 61)} | {name: (28, 56) for name in FRAMES}
PIXELS = {"shortest_edge": 2 * 28 * 28, "longest_edge": 2 * 28 * 28 * 64}
# The token that stands for the second at which a pair of frames was shown.
TIMES = [40, 41]


class GlmRunner(Runner):
    def vision_modules(self):
        return super().vision_modules() | {"vision.embeddings": self.visual.embeddings}

    def token_types(self, ids):
        """Frames of a video are image tokens between the marks of a video."""
        inside = (ids == VIDEO_START).cumsum(-1) > (ids == VIDEO_END).cumsum(-1)
        return (ids == IMAGE).int() * (1 + inside.int())

    def video_ids(self, prompt, grid):
        frames, height, width = grid.tolist()
        count = height * width // 4
        i = prompt.index("video")
        video = [t for f in range(frames) for t in [IMAGE_START, *[IMAGE] * count, IMAGE_END, TIMES[f]]]
        return torch.tensor([[*prompt[:i], VIDEO_START, *video, VIDEO_END, *prompt[i + 1 :]]])


def family():
    rope = dict(rope_type="default", rope_theta=THETA, mrope_section=MROPE, partial_rotary_factor=0.5)
    config = Glm4vConfig(text_config=dict(TEXT, rope_parameters=rope), vision_config=VISION,
                         tie_word_embeddings=False, **IDS)
    return Family(
        Glm4vForConditionalGeneration, config, Glm4vImageProcessor(size=dict(PIXELS)),
        Glm4vVideoProcessor(size=dict(PIXELS)), torch.float16, None, ([IMAGE_START], [IMAGE_END]),
        SIZES, PROMPTS, video=([*ASK, "video", 19, *ANSWER], FRAMES), special=SPECIAL,
    )


def config_v4():
    return dict(
        architectures=["Glm4vForConditionalGeneration"], model_type="glm4v", **IDS,
        tie_word_embeddings=False, torch_dtype="float16", transformers_version="4.57.1",
        text_config=dict(
            TEXT, model_type="glm4v_text", attention_bias=True, head_dim=16, use_cache=True,
            partial_rotary_factor=0.5, rope_theta=THETA,
            rope_scaling=dict(rope_type="default", mrope_section=MROPE),
        ),
        vision_config=dict(VISION, model_type="glm4v", hidden_dropout_prob=0.0, initializer_range=0.02),
    )


def make(folder):
    return write(family(), GlmRunner, folder, config_v4())

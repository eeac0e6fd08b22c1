"""Idefics3, and with it SmolVLM: tiles through a SigLIP tower, four patches to a token, Llama, f32."""

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import Idefics3Config, Idefics3ForConditionalGeneration
from transformers.models.idefics3.image_processing_idefics3 import Idefics3ImageProcessor

import common
from patch_models import Runner

TILE, PATCH, SCALE = 56, 14, 2
TOKENS = (TILE // PATCH // SCALE) ** 2
FAKE, IMAGE, GLOBAL, END = range(150, 154)
ROW_COL = {(1, 1): 154, (1, 2): 155, (2, 1): 156, (2, 2): 157}
START, NEWLINE, TWO_NEWLINES = 1, 10, 11
SPECIAL = (0, START, *range(FAKE, 158))
TEXT = dict(
    model_type="llama", vocab_size=160, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-5,
    hidden_act="silu", attention_bias=False, mlp_bias=False, head_dim=8, bos_token_id=START,
    eos_token_id=END, pad_token_id=2, tie_word_embeddings=False,
)
THETA = 100000.0
VISION = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3,
              num_channels=3, image_size=TILE, patch_size=PATCH, hidden_act="gelu_pytorch_tanh",
              layer_norm_eps=1e-6, attention_dropout=0.0)

ASK, ANSWER = [START, 5, 61], [7, 44, END, NEWLINE, 33, 90]
# Two tiles beside each other, two below each other, and the whole picture after them.
SIZES = {"wide": (31, 80), "tall": (87, 33)}
PROMPTS = {
    "one": ([*ASK, "image", *ANSWER], ["wide"]),
    "two": ([*ASK, "image", 17, 81, "image", *ANSWER], ["wide", "tall"]),
    "text": ([*ASK, 9, 140, 66, 28, 75, *ANSWER], []),
}
BATCH = [([*ASK, 44, "image", *ANSWER], ["tall"]), ([START, 8, 55, 91, 13, 6], [])]
# What of a tile is picture, not padding: height, width. The second ends within a patch.
PADDED = {"wide": (42, 56), "tall": (56, 33)}


def image_ids(rows, cols):
    """What stands for a picture: _prompt_split_image of transformers' processing_idefics3.py."""
    if rows == 0:
        return [FAKE, GLOBAL, *[IMAGE] * TOKENS, FAKE]
    ids = []
    for row in range(1, rows + 1):
        for col in range(1, cols + 1):
            ids += [FAKE, ROW_COL[row, col], *[IMAGE] * TOKENS]
        # The newline after the last row and the one before the whole picture are one token.
        ids.append(TWO_NEWLINES if row == rows else NEWLINE)
    return [*ids, FAKE, GLOBAL, *[IMAGE] * TOKENS, FAKE]


class IdeficsRunner(Runner):
    def __init__(self, model, processor, pictures):
        self.model, self.processor, self.pictures = model, processor, pictures
        self.visual, self.text = model.model.vision_model, model.model.text_model
        self.special = SPECIAL

    def vision_modules(self):
        modules = {"vision.embeddings": self.visual.embeddings}
        return modules | {f"vision.block.{i}": layer for i, layer in enumerate(self.visual.encoder.layers)}

    def check_positions_matter(self, inputs, positions, logits):
        pass

    def inputs(self, ids, mask=None, **vision):
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids) if mask is None else mask, **vision}

    def tiles(self, rows_of_names):
        """Pictures of each row of a batch: what the model takes, and (rows, cols) of each picture."""
        nested = [[self.pictures[name] for name in names] for names in rows_of_names]
        out = self.processor(nested, return_row_col_info=True, return_tensors="pt")
        vision = {"pixel_values": out["pixel_values"], "pixel_attention_mask": out["pixel_attention_mask"]}
        assert vision["pixel_attention_mask"].all(), "no tile is padded"
        return vision, list(zip(sum(out["rows"], []), sum(out["cols"], []), strict=True))

    def pixels(self, name):
        """The tiles of a picture as bytes: [tiles, height, width, 3]."""
        raw = self.processor(self.pictures[name], do_rescale=False, do_normalize=False, return_tensors="pt")
        pixels = raw["pixel_values"][0].permute(0, 2, 3, 1).to(torch.uint8).contiguous()
        expected = self.processor(self.pictures[name], return_tensors="pt")["pixel_values"][0]
        assert torch.allclose(normalised(pixels), expected, atol=1e-6)
        return pixels

    def ids(self, prompt, grids):
        grids = iter(grids)
        return torch.tensor([sum((image_ids(*next(grids)) if t == "image" else [t] for t in prompt), [])])

    def case(self, name):
        prompt, names = PROMPTS[name]
        vision, grids = self.tiles([names]) if names else ({}, [])
        return self.row_free(self.run(self.inputs(self.ids(prompt, grids), **vision)))

    def batch(self):
        vision, grids = self.tiles([names for _, names in BATCH if names])
        # A row without pictures has tiles of zeros, which the model leaves out.
        vision = {k: torch.cat([v, torch.zeros_like(v)]) for k, v in vision.items()}
        grids = iter(grids)
        rows = [self.ids(prompt, [next(grids) for _ in names])[0] for prompt, names in BATCH]
        length = max(map(len, rows))
        mask = torch.stack([common.pad_left(torch.ones_like(row), length, 0) for row in rows])
        ids = torch.stack([common.pad_left(row, length, TEXT["pad_token_id"]) for row in rows])
        return self.row_free(self.run(self.inputs(ids, mask, **vision), rows=True))

    def padded(self):
        """Tiles that are only partly picture, as processors without splitting once gave."""
        pixels = torch.zeros(len(PADDED), TILE, TILE, 3, dtype=torch.uint8)
        mask = torch.zeros(len(PADDED), TILE, TILE, dtype=torch.uint8)
        for i, (name, (height, width)) in enumerate(PADDED.items()):
            picture = np.array(self.pictures[name].resize((width, height)))
            pixels[i, :height, :width] = torch.from_numpy(picture)
            mask[i, :height, :width] = 1
        stored = {"pixels": pixels, "pixel_attention_mask": mask}
        values = normalised(pixels) * mask[:, None]
        vision = {"pixel_values": values[None], "pixel_attention_mask": mask.long()[None]}
        ids = self.ids([*ASK, "image", 17, "image", *ANSWER], [(0, 0), (0, 0)])
        tensors = self.run(self.inputs(ids, **vision))
        whole = dict(vision, pixel_attention_mask=torch.ones_like(vision["pixel_attention_mask"]))
        with torch.no_grad():
            other = torch.cat(self.model.get_image_features(**whole).pooler_output)
        assert (other - tensors["vision_embeds"]).abs().max() > 0.1, "the mask hardly matters"
        return stored | self.row_free(tensors)

    def row_free(self, tensors):
        """Positions of Llama just count."""
        return {name: t for name, t in tensors.items() if not name.startswith("position_ids")}


def normalised(pixels):
    return (pixels.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5


def config_v4():
    """As the published SmolVLM-256M has it."""
    return dict(
        architectures=["Idefics3ForConditionalGeneration"], image_token_id=IMAGE, model_type="idefics3",
        pad_token_id=2, scale_factor=SCALE, tie_word_embeddings=False, torch_dtype="float32",
        transformers_version="4.46.0", use_cache=True,
        text_config=dict(TEXT, rope_theta=THETA, rope_scaling=None, rope_interleaved=False, use_cache=True,
                         pixel_shuffle_factor=SCALE, torch_dtype="float32"),
        vision_config=dict(VISION, model_type="idefics3", size={"longest_edge": 2 * TILE},
                           max_image_size={"longest_edge": TILE}),
    )


def build(config, seed):
    model = Idefics3ForConditionalGeneration._from_config(config, attn_implementation="eager").eval()
    return common.randomise(model, seed, SPECIAL)


def make(folder):
    pictures = common.pictures(SIZES)
    processor = Idefics3ImageProcessor(size={"longest_edge": 2 * TILE}, max_image_size={"longest_edge": TILE})
    text = dict(TEXT, rope_parameters=dict(rope_type="default", rope_theta=THETA))
    config = Idefics3Config(text_config=text, vision_config=VISION, image_token_id=IMAGE, scale_factor=SCALE,
                            tie_word_embeddings=False, pad_token_id=2)

    def attempt(seed):
        model = build(config, seed)
        runner = IdeficsRunner(model, processor, pictures)
        cases = {name: runner.case(name) for name in PROMPTS}
        return model, cases | {"batch": runner.batch(), "padded": runner.padded()}

    model, cases = common.first_fit(attempt)
    for name, tensors in cases.items():
        common.save_case(folder, name, tensors)
    runner = IdeficsRunner(model, processor, pictures)
    save_file({name: runner.pixels(name) for name in pictures}, folder / "pixels.safetensors")
    for name, image in pictures.items():
        common.save_picture(image, folder / "images" / f"{name}.png")
    contents = {name: {"images": images} for name, (_, images) in PROMPTS.items()}
    contents["batch"] = {"images": [n for _, names in BATCH for n in names], "rows": len(BATCH)}
    contents["padded"] = {"images": []}
    common.write_json(folder / "cases.json", contents)
    common.save_checkpoint(model, folder, torch.float32)
    processor.save_pretrained(folder)
    common.write_json(folder / "config.v4.json", config_v4())
    for other in (None, Idefics3Config.from_dict(config_v4())):
        again = Idefics3ForConditionalGeneration.from_pretrained(
            folder, config=other, attn_implementation="eager"
        )
        found = IdeficsRunner(again.eval(), processor, pictures).case("two")["logits"]
        assert torch.allclose(found, cases["two"]["logits"], atol=1e-5)

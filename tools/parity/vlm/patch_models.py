"""Qwen2-VL, Qwen2.5-VL and GLM-4.1V: models whose images are grids of 14 px patches."""

from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import save_file

import common


@dataclass
class Family:
    """A model, what it is shown and what it is asked."""

    model_class: type
    config: object
    image_processor: object
    video_processor: object
    # What the checkpoint holds.
    dtype: torch.dtype
    shard_size: str | None
    # The token ids before and after an image's.
    image_frame: tuple
    # Name -> (height, width).
    sizes: dict
    # Case -> (prompt, names of pictures); `batch` is a list of these. A prompt is token ids, with
    # "image" where one stands.
    prompts: dict
    # A prompt with "video" in it, and the names of the frames.
    video: tuple
    special: tuple
    keep_pixel_values: bool = False

    def __post_init__(self):
        self.pictures = common.pictures(self.sizes)


def resized(image, processor):
    """The picture as the processor has it after resizing, before it is normalised: [h, w, 3]."""
    out = processor(image, do_rescale=False, do_normalize=False, return_tensors="pt")
    values, (_, gh, gw) = out["pixel_values"], out["image_grid_thw"][0].tolist()
    patch, merge = processor.patch_size, processor.merge_size
    blocks = (gh // merge, gw // merge, merge, merge)
    values = values.reshape(*blocks, 3, processor.temporal_patch_size, patch, patch)
    values = values[:, :, :, :, :, 0].permute(0, 2, 5, 1, 3, 6, 4)
    return values.reshape(gh * patch, gw * patch, 3).to(torch.uint8)


class Runner:
    def __init__(self, family, model):
        self.family, self.model, self.special = family, model, family.special
        self.visual, self.text = model.model.visual, model.model.language_model

    def ids(self, prompt, grids):
        """`prompt`: token ids, with "image" where one stands."""
        ids, grids = [], iter(grids)
        start, end = self.family.image_frame
        for part in prompt:
            if part == "image":
                count = int(torch.as_tensor(next(grids)).prod()) // 4
                ids += [*start, *[self.model.config.image_token_id] * count, *end]
            else:
                ids.append(part)
        return torch.tensor([ids])

    def images(self, names):
        if not names:
            return {}, {}
        pictures = [self.family.pictures[name] for name in names]
        processor = self.family.image_processor
        out = processor(pictures, return_tensors="pt")
        inputs = {"pixel_values": out["pixel_values"], "image_grid_thw": out["image_grid_thw"]}
        stored = {"image_grid_thw": out["image_grid_thw"]}
        if self.family.keep_pixel_values:
            stored["pixel_values"] = out["pixel_values"]
        return inputs, stored

    @torch.no_grad()
    def run(self, inputs, rows=None):
        """One forward pass and greedy decoding. Returns the tensors of the case; with `rows`, those
        of a padded batch have a row's number at the end of their names."""
        model = self.model
        modules = {"text<": self.text} | self.vision_modules()
        modules |= {f"text.layer.{i}": layer for i, layer in enumerate(self.text.layers)}
        model.model.rope_deltas = None
        with common.record(modules) as seen:
            out = model(**inputs, use_cache=False)
        _, kwargs = seen.pop("text")
        length = inputs["input_ids"].shape[1]
        positions = kwargs["position_ids"]
        if positions is None:
            positions = torch.arange(length).expand(3, len(inputs["input_ids"]), -1)
        vision = {name: value for name, value in seen.items() if name.startswith("vision.")}
        tensors = self.restore_order(vision, inputs.get("image_grid_thw", inputs.get("video_grid_thw")))
        features = [out.image_outputs, getattr(out, "video_outputs", None)]
        features = [o for o in features if o is not None]
        if features:
            tensors["vision_embeds"] = torch.cat([t for o in features for t in o.pooler_output])
        model.model.rope_deltas = None
        tokens, gaps = common.greedy(model, inputs, self.special)
        self.check_without_cache(inputs, tokens)
        self.check_vision(inputs, tensors)
        self.check_positions_matter(inputs, positions[-3:], out.logits)
        per_row = {"input_ids": inputs["input_ids"], "logits": out.logits}
        per_row["text.embeds"] = kwargs["inputs_embeds"]
        per_row |= {name: value for name, value in seen.items() if name.startswith("text.")}
        for row, mask in enumerate(inputs["attention_mask"]):
            keep = mask.bool()
            suffix = f".{row}" if rows else ""
            for name, value in per_row.items():
                tensors[name + suffix] = value[row][keep]
            tensors["position_ids" + suffix] = positions[-3:, row][:, keep]
            tensors["greedy" + suffix], tensors["greedy_gap" + suffix] = tokens[row], gaps[row]
        return tensors

    def token_types(self, ids):
        """0 for text, 1 where an image stands, 2 where a video does."""
        config = self.model.config
        return (ids == config.image_token_id).int() + 2 * (ids == config.video_token_id).int()

    def vision_modules(self):
        modules = {"vision.patch_embed": self.visual.patch_embed}
        return modules | {f"vision.block.{i}": block for i, block in enumerate(self.visual.blocks)}

    def restore_order(self, vision, grid):
        """Brings patches back into the order of pixel_values."""
        return vision

    def check_vision(self, inputs, tensors):
        """What a family wants its cases to show; raises Unfit."""

    def check_without_cache(self, inputs, tokens):
        """The text that decoding with a cache gives is what one pass over all of it gives."""
        ids = torch.cat([inputs["input_ids"], tokens], 1)
        mask = torch.cat([inputs["attention_mask"], torch.ones_like(tokens)], 1)
        whole = dict(inputs, input_ids=ids, attention_mask=mask)
        if "mm_token_type_ids" in inputs:
            whole["mm_token_type_ids"] = self.token_types(ids)
        self.model.model.rope_deltas = None
        logits = self.model(**whole, use_cache=False).logits[:, -tokens.shape[1] - 1 : -1]
        assert torch.equal(logits.argmax(-1), tokens), "the cache changes the text"

    def check_positions_matter(self, inputs, positions, logits):
        """Mixing up height and width, or time and height, changes what the model says."""
        for order in ([0, 2, 1], [1, 0, 2]):
            mixed = positions[order]
            if not torch.equal(mixed, positions):
                other = self.model(**inputs, position_ids=mixed, use_cache=False).logits
                if (other - logits).abs().max() < 0.02:
                    raise common.Unfit("positions hardly matter")

    def inputs(self, ids, mask=None, **vision):
        mask = torch.ones_like(ids) if mask is None else mask
        inputs = {"input_ids": ids, "attention_mask": mask, **vision}
        if vision:
            inputs["mm_token_type_ids"] = self.token_types(ids)
        return inputs

    def case(self, name):
        prompt, names = self.family.prompts[name]
        vision, stored = self.images(names)
        ids = self.ids(prompt, vision.get("image_grid_thw", []))
        return stored | self.run(self.inputs(ids, **vision))

    def batch(self):
        """The two prompts as one batch, the shorter one padded on its left."""
        prompts = self.family.prompts["batch"]
        names = [name for _, images in prompts for name in images]
        vision, stored = self.images(names)
        grids = iter(vision["image_grid_thw"])
        rows = [self.ids(prompt, [next(grids) for _ in images])[0] for prompt, images in prompts]
        length = max(map(len, rows))
        assert min(map(len, rows)) < length
        ids = torch.stack([common.pad_left(row, length, 0) for row in rows])
        mask = torch.stack([common.pad_left(torch.ones_like(row), length, 0) for row in rows])
        tensors = self.run(self.inputs(ids, mask, **vision), rows=True)
        for row, row_ids in enumerate(rows):
            assert torch.equal(tensors[f"input_ids.{row}"], row_ids)
        # The pictures are those of other cases, where what the vision tower does is told step by step.
        return stored | {name: t for name, t in tensors.items() if not name.startswith("vision.")}

    def video_ids(self, prompt, grid):
        raise NotImplementedError

    def video(self):
        frames = [self.family.pictures[name] for name in self.family.video[1]]
        processor = self.family.video_processor
        out = self.process_video(processor, frames)
        stored = {"video_grid_thw": out["video_grid_thw"]}
        resized_frames = torch.stack([resized(f, self.family.image_processor) for f in frames])
        vision = {k: out[k] for k in ("pixel_values_videos", "video_grid_thw")} | self.timing(stored)
        assert torch.equal(self.patches_of(resized_frames), out["pixel_values_videos"]), "frames"
        ids = self.video_ids(self.family.video[0], out["video_grid_thw"][0])
        return stored | self.run(self.inputs(ids, **vision))

    def timing(self, stored):
        return {}

    def patches_of(self, frames):
        """What a video processor makes of frames that have their final size."""
        p = self.family.video_processor
        values = frames.permute(0, 3, 1, 2)[None]
        mean, std = tuple(p.image_mean), tuple(p.image_std)
        values = p.rescale_and_normalize(values, True, p.rescale_factor, True, mean, std)
        return p.patchify(values, p.patch_size, p.merge_size, p.temporal_patch_size)[0][0]

    def process_video(self, processor, frames):
        video = np.stack([np.asarray(frame) for frame in frames])
        return processor([video], do_sample_frames=False, return_tensors="pt")


def contents(family):
    """Which pictures each case shows, in order."""
    batch = [name for _, images in family.prompts["batch"] for name in images]
    cases = {name: {"images": family.prompts[name][1]} for name in family.prompts if name != "batch"}
    cases["batch"] = {"images": batch, "rows": len(family.prompts["batch"])}
    if family.video:
        cases["video"] = {"images": [], "frames": family.video[1]}
    return cases


def write(family, runner_class, folder, config_v4):
    """Tries seeds until every case is fit, then writes the checkpoint and its cases."""
    def make(seed):
        torch.manual_seed(seed)
        model = family.model_class._from_config(family.config, attn_implementation="eager").eval()
        common.round_to(common.randomise(model, seed, family.special), family.dtype)
        runner = runner_class(family, model)
        cases = {name: runner.case(name) for name in family.prompts if name != "batch"}
        cases["batch"] = runner.batch()
        if family.video:
            cases["video"] = runner.video()
        return model, cases

    model, cases = common.first_fit(make)
    for name, tensors in cases.items():
        if name != "one":
            tensors.pop("pixel_values", None)
        common.save_case(folder, name, tensors)
    for name, image in family.pictures.items():
        common.save_picture(image, folder / "images" / f"{name}.png")
    # Frames have their final size already.
    resizable = {n: image for n, image in family.pictures.items() if n not in family.video[1]}
    pixels = {n: resized(image, family.image_processor) for n, image in resizable.items()}
    save_file(pixels, folder / "pixels.safetensors")
    common.write_json(folder / "cases.json", contents(family))
    common.save_checkpoint(model, folder, family.dtype, family.shard_size)
    family.image_processor.save_pretrained(folder)
    common.write_json(folder / "config.v4.json", config_v4)
    check_files(family, runner_class, folder, config_v4, cases["two"]["logits"])


def check_files(family, runner_class, folder, config_v4, expected):
    """What was written gives the same logits, whichever of the two configurations is read."""
    for config in (None, type(family.config).from_dict(config_v4)):
        model = family.model_class.from_pretrained(
            folder, config=config, dtype=torch.float32, attn_implementation="eager"
        )
        found = runner_class(family, model.eval()).case("two")["logits"]
        assert torch.allclose(found, expected, atol=1e-5), (found - expected).abs().max()

"""CLIP, both towers, f32: one with patches of 14 px whose text ends at the largest id, as OpenAI's
published configurations have it, and one with patches of 7 px whose text ends at `eos_token_id`."""

import torch
from transformers import CLIPConfig, CLIPModel
from transformers.models.clip.image_processing_clip import CLIPImageProcessor

import common

VOCAB, BOS = 100, 98
IMAGE = 28
TEXT = dict(vocab_size=VOCAB, hidden_size=24, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=3, max_position_embeddings=16, hidden_act="quick_gelu",
            layer_norm_eps=1e-5, projection_dim=20, bos_token_id=0)
VISION = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
              num_channels=3, image_size=IMAGE, hidden_act="quick_gelu", layer_norm_eps=1e-5,
              projection_dim=20)
# Vision, text, and the ids that end and fill a row. An `eos_token_id` of 2 is wrong in published
# configurations and means the largest id; in the second variant that would be another token.
VARIANTS = {
    "patch14": (dict(VISION, patch_size=14), dict(TEXT, eos_token_id=2, pad_token_id=1), 99, 99),
    "patch7": (dict(VISION, patch_size=7), dict(TEXT, eos_token_id=60, pad_token_id=0), 60, 0),
}
SIZES = {"wide": (61, 87), "tall": (45, 33)}
PROMPTS = [[BOS, 5, 61, 7, 44], [BOS, 17, 81, 3, 90, 12, 33, 71], [BOS]]


def config_v4(vision, text):
    return dict(
        architectures=["CLIPModel"], initializer_factor=1.0, logit_scale_init_value=2.6592,
        model_type="clip", projection_dim=20, torch_dtype="float32",
        text_config=dict(text, model_type="clip_text_model"), text_config_dict=None,
        vision_config=dict(vision, model_type="clip_vision_model"), vision_config_dict=None,
    )


@torch.no_grad()
def run(model, pixel_values, input_ids, attention_mask):
    vision, text = model.vision_model, model.text_model
    modules = {"vision.embeddings": vision.embeddings, "vision.pre_layernorm": vision.pre_layrnorm,
               "text.embeddings": text.embeddings}
    modules |= {f"vision.layer.{i}": layer for i, layer in enumerate(vision.encoder.layers)}
    modules |= {f"text.layer.{i}": layer for i, layer in enumerate(text.encoder.layers)}
    with common.record(modules) as tensors:
        out = model(pixel_values=pixel_values, input_ids=input_ids, attention_mask=attention_mask)
    tensors["vision.last_hidden_state"] = out.vision_model_output.last_hidden_state
    tensors["text.last_hidden_state"] = out.text_model_output.last_hidden_state
    tensors["image_embeds.raw"] = out.vision_model_output.pooler_output
    tensors["text_embeds.raw"] = out.text_model_output.pooler_output
    tensors["image_embeds"], tensors["text_embeds"] = out.image_embeds, out.text_embeds
    tensors["logit_scale"] = model.logit_scale.reshape(1)
    tensors["logits_per_image"] = out.logits_per_image
    return tensors


def make(folder):
    images = common.pictures(SIZES)
    for variant, (vision, text, end, padding) in VARIANTS.items():
        root = folder / variant
        crop = {"height": IMAGE, "width": IMAGE}
        processor = CLIPImageProcessor(size={"shortest_edge": IMAGE}, crop_size=crop)
        pictures = list(images.values())
        inputs = {"pixel_values": processor(pictures, return_tensors="pt")["pixel_values"]}
        rows = [[*row, end] for row in PROMPTS]
        length = max(map(len, rows))
        inputs["input_ids"] = torch.tensor([row + [padding] * (length - len(row)) for row in rows])
        mask = [[int(i < len(row)) for i in range(length)] for row in rows]
        inputs["attention_mask"] = torch.tensor(mask)

        config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=20)
        model = CLIPModel._from_config(config, attn_implementation="eager").eval()
        common.randomise(model, seed=7)
        with torch.no_grad():
            # Not the value a configuration starts with: it has to be read.
            model.logit_scale.fill_(3.25)
        tensors = run(model, **inputs)
        common.save_case(root, "all", inputs | tensors)
        common.save_checkpoint(model, root, torch.float32)
        processor.save_pretrained(root)
        common.write_json(root / "config.v4.json", config_v4(vision, text))
        common.write_json(root / "cases.json", {"all": {"images": list(SIZES)}})
        for name, image in images.items():
            common.save_picture(image, root / "images" / f"{name}.png")
        for config in (None, CLIPConfig.from_dict(config_v4(vision, text))):
            again = CLIPModel.from_pretrained(root, config=config, attn_implementation="eager").eval()
            found = run(again, **inputs)["logits_per_image"]
            assert torch.allclose(found, tensors["logits_per_image"], atol=1e-5)

"""BERT as a sentence encoder: padding, two token types, and the mean of what is not padding, f32."""

import torch
from transformers import BertConfig, BertModel

import common

CONFIG = dict(
    vocab_size=160, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
    hidden_act="gelu", max_position_embeddings=40, type_vocab_size=2, layer_norm_eps=1e-12,
    pad_token_id=0, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1, initializer_range=0.02,
)
CLS, SEP = 101, 102
# Token ids and how many of them belong to the first of two sentences.
ROWS = [([CLS, 7, 44, 90, SEP], 5), ([CLS, 12, 61, SEP, 33, 8, 150, 27, SEP], 4), ([CLS, 5, SEP], 3)]


@torch.no_grad()
def run(model, inputs):
    modules = {"embeddings": model.embeddings}
    modules |= {f"layer.{i}": layer for i, layer in enumerate(model.encoder.layer)}
    with common.record(modules) as tensors:
        out = model(**inputs)
    mask = inputs["attention_mask"][..., None].float()
    mean = (out.last_hidden_state * mask).sum(1) / mask.sum(1)
    tensors["last_hidden_state"], tensors["pooler_output"] = out.last_hidden_state, out.pooler_output
    tensors["mean_pooled"] = torch.nn.functional.normalize(mean, dim=-1)
    return tensors


def make(folder):
    length = max(len(ids) for ids, _ in ROWS)

    def padded(rows):
        return torch.tensor([row + [0] * (length - len(row)) for row in rows])

    inputs = {
        "input_ids": padded([ids for ids, _ in ROWS]),
        "attention_mask": padded([[1] * len(ids) for ids, _ in ROWS]),
        "token_type_ids": padded([[int(i >= first) for i in range(len(ids))] for ids, first in ROWS]),
    }
    model = BertModel._from_config(BertConfig(**CONFIG), attn_implementation="eager").eval()
    common.randomise(model, seed=3)
    tensors = run(model, inputs)
    common.save_case(folder, "all", inputs | tensors)
    common.save_checkpoint(model, folder, torch.float32)
    v4 = dict(CONFIG, architectures=["BertModel"], model_type="bert", gradient_checkpointing=False,
              position_embedding_type="absolute", torch_dtype="float32",
              transformers_version="4.8.2", use_cache=True)
    common.write_json(folder / "config.v4.json", v4)
    for config in (None, BertConfig.from_dict(v4)):
        again = BertModel.from_pretrained(folder, config=config, attn_implementation="eager").eval()
        assert torch.allclose(run(again, inputs)["mean_pooled"], tensors["mean_pooled"], atol=1e-6)

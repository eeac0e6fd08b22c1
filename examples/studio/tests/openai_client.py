"""Talks to Glyph Studio with the official client: `pip install openai`, then
`python openai_client.py http://127.0.0.1:8080 [KEY]`."""

import base64
import pathlib
import sys

from openai import BadRequestError, NotFoundError, OpenAI

url, key = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "none"
client = OpenAI(base_url=f"{url}/v1", api_key=key)
sample = pathlib.Path(__file__).parents[3] / "docs/samples/lighthouse.txt"
question = "Who built the lighthouse?"

assert "glyph-builtin" in [model.id for model in client.models.list()]

file = client.files.create(file=sample.open("rb"), purpose="user_data")
assert client.files.retrieve(file.id).filename == "lighthouse.txt"
assert file.id in [found.id for found in client.files.list()]


def ask(content, **options):
    return client.chat.completions.create(
        model="glyph-builtin", messages=[{"role": "user", "content": content}], **options
    )


data = "data:text/plain;base64," + base64.b64encode(sample.read_bytes()).decode()
for part in ({"file_id": file.id}, {"filename": "lighthouse.txt", "file_data": data}):
    reply = ask([{"type": "file", "file": part}, {"type": "text", "text": question}])
    assert "Isobel Tarrant" in reply.choices[0].message.content, reply
    assert reply.choices[0].finish_reason == "stop"
    vision = reply.usage.prompt_tokens_details.vision_tokens
    assert 50 < vision < reply.usage.prompt_tokens, reply.usage

text = f"{sample.read_text()}\n\n{question}"
answer, usage = "", None
for part in ask(text, stream=True, stream_options={"include_usage": True}):
    if part.choices:
        answer += part.choices[0].delta.content or ""
    usage = part.usage or usage
assert "Isobel Tarrant" in answer, answer
assert usage.total_tokens > usage.completion_tokens > 0, usage

for wrong, error in ((dict(model="gpt-9"), NotFoundError), (dict(model="glyph-builtin"), BadRequestError)):
    try:
        client.chat.completions.create(messages=[{"role": "user", "content": "Hi"}], **wrong)
        raise SystemExit(f"{wrong} was not refused")
    except error:
        pass

assert client.files.delete(file.id).deleted
print("ok")

"""The official OpenAI client against a pith server: python openai_client.py http://127.0.0.1:PORT/v1

Prints "ok" at the end. Contents are not looked at: the model may have random weights.
"""
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0)
chat = client.chat.completions
model = client.models.list().data[0].id
assert client.models.retrieve(model).id == model
ask = dict(model=model, messages=[{"role": "user", "content": "What is the capital of France?"}], temperature=0)

whole = chat.create(**ask, max_tokens=12)
text, usage = whole.choices[0].message.content, whole.usage
assert whole.choices[0].finish_reason in ("stop", "length")
assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens and usage.prompt_tokens_details.cached_tokens == 0
assert whole.model_extra["pith"]["kv"] == "full"

streamed, reason, last = "", None, None
for chunk in chat.create(**ask, max_completion_tokens=12, stream=True, stream_options={"include_usage": True}):
    for choice in chunk.choices:
        streamed += choice.delta.content or ""
        reason = choice.finish_reason or reason
    last = chunk.usage or last
assert (streamed, reason, last.total_tokens) == (text, whole.choices[0].finish_reason, usage.total_tokens)

with chat.stream(**ask, max_tokens=12) as stream:  # the client's own accumulation of pieces
    try:
        final = stream.get_final_completion()
    except openai.LengthFinishReasonError as e:  # raised by the client for every reply that its limit ends
        final = e.completion
    assert final.choices[0].message.content == text

probs = chat.create(**ask, max_tokens=4, logprobs=True, top_logprobs=3).choices[0].logprobs.content
assert len(probs) == 4 and all(len(p.top_logprobs) == 3 and p.logprob <= 0 and bytes(p.bytes) is not None for p in probs)

hot = [chat.create(**{**ask, "temperature": 1.3}, max_tokens=20, seed=7).choices[0].message.content for _ in range(2)]
assert hot[0] == hot[1]

plain = dict(model=model, prompt="The sea is", max_tokens=6, temperature=0)
assert client.completions.create(**plain).choices[0].text == "".join(c.choices[0].text for c in client.completions.create(**plain, stream=True))

long = [{"role": "user", "content": "word " * 300 + "What was the word?"}]
small = chat.create(model=model, messages=long, max_tokens=4, extra_body={"kv": "snapkv", "keep": "10%"}).model_extra["pith"]
assert 0 < small["kv_bytes"] < small["full_bytes"]

tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]
chat.create(**ask, tools=tools, max_tokens=4)

too_long = [{"role": "user", "content": "word " * 9000}]
for change, kind, code in [
    ({"model": "nope"}, openai.NotFoundError, "model_not_found"),
    ({"messages": too_long}, openai.BadRequestError, "context_length_exceeded"),
    ({"messages": too_long, "stream": True}, openai.BadRequestError, "context_length_exceeded"),
    ({"n": 2}, openai.BadRequestError, None),
    ({"temperature": -1}, openai.BadRequestError, None),
    ({"extra_body": {"kv": "snap"}}, openai.BadRequestError, None),
    ({"extra_body": {"kv_memory": 1000}}, openai.BadRequestError, "kv_budget_exceeded"),
]:
    try:
        chat.create(**{**ask, **change})
    except kind as e:
        assert e.code == code and e.body["message"], (change, e.code)
    else:
        raise AssertionError(f"not refused: {list(change)}")
print("ok")

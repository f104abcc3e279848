"""What Cursor sends to an address of its user's, for Claude's models and for OpenAI's.

Both go to the chat route: Claude's tools and blocks in a chat, or the body of a response. Its
first argument says which, the second is the prompt, the third an image.
"""

import base64
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.agents.program_tools import PARAMETERS, run

SYSTEM = "You are an AI coding assistant, powered by a model. You operate in Cursor."


def chunks(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The chunks of a streamed chat completion."""
    headers = {"authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    url = f"{os.environ['OPENAI_BASE_URL']}/chat/completions"
    options = {"stream": True, "stream_options": {"include_usage": True}}
    with httpx.stream(
        "POST", url, json={**body, **options}, headers=headers, timeout=60
    ) as answer:
        if not answer.is_success:
            sys.exit(f"{answer.status_code}: {answer.read().decode()}")
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))


def ask(body: dict[str, Any]) -> tuple[str, list[dict[str, str]]]:
    """The text of an answer, and its calls."""
    text, calls, has_usage = "", [], False
    for chunk in chunks(body):
        has_usage |= bool(chunk.get("usage"))
        for choice in chunk["choices"]:
            text += choice["delta"].get("content") or ""
            for call in choice["delta"].get("tool_calls") or ():
                if "id" in call:
                    calls.append({"id": call["id"], "name": call["function"]["name"], "input": ""})
                calls[call["index"]]["input"] += call["function"].get("arguments") or ""
    if not has_usage:
        sys.exit("no usage")
    return text, calls


def chat(prompt: str, image: str) -> str:
    """By Claude's shapes."""
    content: list[dict[str, Any]] = [{"type": "text", "text": prompt}]
    if image:
        data = base64.b64encode(Path(image).read_bytes()).decode()
        source = {"type": "base64", "media_type": "image/png", "data": data}
        content.append({"type": "image", "source": source})
    tools = [
        {"name": name, "description": name, "input_schema": schema}
        for name, schema in PARAMETERS.items()
    ]
    messages: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM}]
    messages.append({"role": "user", "content": content})
    while True:
        body = {"model": os.environ["OPENAI_MODEL"], "messages": messages, "tools": tools}
        text, calls = ask({**body, "tool_choice": {"type": "auto"}, "max_tokens": 8000})
        uses = [{"type": "tool_use", **call, "input": json.loads(call["input"])} for call in calls]
        parts = [{"type": "text", "text": text}] if text else []
        messages.append({"role": "assistant", "content": [*parts, *uses]})
        if not calls:
            return text
        results = [
            {
                "type": "tool_result",
                "tool_use_id": use["id"],
                "content": [{"type": "text", "text": run(use["name"], use["input"])}],
            }
            for use in uses
        ]
        messages.append({"role": "user", "content": results})


def response(prompt: str, image: str) -> str:
    """By the body of a response."""
    content: list[dict[str, Any]] = [{"type": "input_text", "text": prompt}]
    if image:
        data = base64.b64encode(Path(image).read_bytes()).decode()
        url = f"data:image/png;base64,{data}"
        content.append({"type": "input_image", "image_url": url, "detail": "auto"})
    tools = [
        {"type": "function", "name": name, "description": name, "parameters": schema}
        for name, schema in PARAMETERS.items()
    ]
    given: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM}]
    given.append({"role": "user", "content": content})
    while True:
        body = {"model": os.environ["OPENAI_MODEL"], "input": given, "tools": tools}
        text, calls = ask({**body, "reasoning": {"effort": "medium"}, "store": False})
        if text:
            given.append({"role": "assistant", "content": [{"type": "output_text", "text": text}]})
        if not calls:
            return text
        for call in calls:
            about = {"call_id": call["id"], "name": call["name"], "arguments": call["input"]}
            given.append({"type": "function_call", **about})
        for call in calls:
            output = run(call["name"], json.loads(call["input"]))
            given.append({"type": "function_call_output", "call_id": call["id"], "output": output})


if __name__ == "__main__":
    way = chat if sys.argv[1] == "chat" else response
    sys.stdout.write(way(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else ""))

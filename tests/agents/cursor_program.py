"""What Cursor sends to an address of its user's, for Claude's models and for OpenAI's.

All go to the chat route: Claude's tools and blocks in a chat, the body of a response, or a chat
that has tools of both. The first argument says which, the second is the prompt, the third an
image.
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
PATCH = {
    "type": "custom",
    "name": "ApplyPatch",
    "description": "Adds a file.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /(.|\\n)+/"},
}


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
                kind = "custom" if "custom" in call else "function"
                if "id" in call:
                    about = {"id": call["id"], "kind": call["type"], "input": ""}
                    calls.append({**about, "name": call[kind]["name"]})
                piece = call[kind].get("input" if kind == "custom" else "arguments")
                calls[call["index"]]["input"] += piece or ""
    if not has_usage:
        sys.exit("no usage")
    return text, calls


def result(call: dict[str, str]) -> str:
    """What a call gives: a patch is the name of a file, and its text."""
    if call["kind"] == "function":
        return run(call["name"], json.loads(call["input"]))
    name, _, text = call["input"].partition("\n")
    return run("write_file", {"path": name, "content": text})


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
        uses = [
            {
                "type": "tool_use",
                "id": call["id"],
                "name": call["name"],
                "input": json.loads(call["input"]),
            }
            for call in calls
        ]
        parts = [{"type": "text", "text": text}] if text else []
        messages.append({"role": "assistant", "content": [*parts, *uses]})
        if not calls:
            return text
        results = [
            {
                "type": "tool_result",
                "tool_use_id": call["id"],
                "content": [{"type": "text", "text": result(call)}],
            }
            for call in calls
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
        body = {"model": os.environ["OPENAI_MODEL"], "input": given, "tools": [*tools, PATCH]}
        more = {"reasoning": {"effort": "medium"}, "store": False, "messages": []}
        text, calls = ask({**body, **more, "include": ["reasoning.encrypted_content"]})
        if text:
            given.append({"role": "assistant", "content": [{"type": "output_text", "text": text}]})
        if not calls:
            return text
        for call in calls:
            about = {"call_id": call["id"], "name": call["name"]}
            if call["kind"] == "custom":
                given.append({"type": "custom_tool_call", **about, "input": call["input"]})
            else:
                given.append({"type": "function_call", **about, "arguments": call["input"]})
        for call in calls:
            kind = (
                "custom_tool_call_output" if call["kind"] == "custom" else "function_call_output"
            )
            given.append({"type": kind, "call_id": call["id"], "output": result(call)})


def mixed(prompt: str, _image: str) -> str:
    """A chat whose functions are a chat's, and whose custom tool is a response's."""
    tools = [
        {"type": "function", "function": {"name": name, "parameters": schema}}
        for name, schema in PARAMETERS.items()
    ]
    messages: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM}]
    messages.append({"role": "user", "content": prompt})
    while True:
        body = {"model": os.environ["OPENAI_MODEL"], "messages": messages}
        text, calls = ask({**body, "tools": [*tools, PATCH], "tool_choice": "auto"})
        if not calls:
            return text
        fields = {"function": "arguments", "custom": "input"}
        made = [
            {
                "id": call["id"],
                "type": call["kind"],
                call["kind"]: {"name": call["name"], fields[call["kind"]]: call["input"]},
            }
            for call in calls
        ]
        messages.append({"role": "assistant", "content": text or None, "tool_calls": made})
        messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": result(call)} for call in calls
        ]


WAYS = {"chat": chat, "response": response, "mixed": mixed}

if __name__ == "__main__":
    way = WAYS[sys.argv[1]]
    sys.stdout.write(way(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else ""))

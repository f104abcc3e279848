"""What Home Assistant's two integrations send, by the official packages.

`openai_conversation` asks for streamed responses, and `anthropic` for streamed messages; each up
to ten times, until the model calls no tool. The first argument says which, the second the words.
"""

import asyncio
import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import anthropic
import openai

SYSTEM = "You are a voice assistant for Home Assistant.\nCurrent time is 10:00:00."
LONGEST = 3000  # tokens of an answer
ROUNDS = 10
LIGHT = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "domain": {"type": "array", "items": {"type": "string"}},
    },
    "required": [],
}
NAMES = ("HassTurnOn", "HassTurnOff")
SCHEMA = {
    "type": "object",
    "properties": {
        "colour": {"type": "string"},
        "brightness": {"type": ["number", "null"], "minimum": 0, "maximum": 100},
    },
    "required": ["colour", "brightness"],
    "strict": True,
    "additionalProperties": False,
}


def act(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """What a tool does in the house."""
    if given.get("name") == "Cellar":
        return {"error": "MatchFailedError", "error_text": "no such light"}
    with Path("house.txt").open("a") as house:
        house.write(f"{name} {given['name']}\n")
    return {"speech": {}, "response_type": "action_done", "data": {"success": [given]}}


async def by_responses(prompt: str, image: str) -> str:
    """As `openai_conversation`."""
    client = openai.AsyncOpenAI()
    tools = [
        {
            "type": "function",
            "name": name,
            "parameters": LIGHT,
            "description": name,
            "strict": False,
        }
        for name in NAMES
    ]
    messages: list[Any] = [
        {"type": "message", "role": "developer", "content": SYSTEM},
        {"type": "message", "role": "user", "content": prompt},
    ]
    common: dict[str, Any] = {
        "model": os.environ["OPENAI_MODEL"],
        "max_output_tokens": LONGEST,
        "user": "01JABC",
        "service_tier": "auto",
        "store": False,
        "stream": True,
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    }
    if image:
        data = base64.b64encode(Path(image).read_bytes()).decode()
        shown = {
            "type": "input_image",
            "image_url": f"data:image/png;base64,{data}",
            "detail": "auto",
        }
        messages[-1]["content"] = [{"type": "input_text", "text": prompt}, shown]
        form = {"type": "json_schema", "name": "ai_task", "schema": SCHEMA}
        common["text"] = {"format": form}
    else:
        common["tools"] = tools
    for _ in range(ROUNDS):
        items = []
        async for event in await client.responses.create(input=messages, **common):
            if event.type == "response.output_item.done":
                items.append(event.item)
            elif event.type in {"response.failed", "response.incomplete", "error"}:
                sys.exit(f"{event}")
        messages += map(sent_back, items)
        calls = [item for item in items if item.type == "function_call"]
        for call in calls:
            output = json.dumps(act(call.name, json.loads(call.arguments)))
            about = {"type": "function_call_output", "call_id": call.call_id}
            messages.append({**about, "output": output})
        if not calls:
            return "".join(item.content[0].text for item in items if item.type == "message")
    return "too many rounds"


def sent_back(item: Any) -> dict[str, Any]:
    """An item of an answer as it stands in the next request."""
    match item.type:
        case "reasoning":
            about = {"type": "reasoning", "id": item.id, "summary": []}
            return {**about, "encrypted_content": item.encrypted_content}
        case "function_call":
            about = {"type": "function_call", "name": item.name, "call_id": item.call_id}
            return {**about, "arguments": item.arguments}
        case _:
            text = item.content[0].text
            return {"type": "message", "role": "assistant", "content": text}


async def by_messages(prompt: str, image: str) -> str:
    """As `anthropic`."""
    client = anthropic.AsyncAnthropic()
    cached = {"cache_control": {"type": "ephemeral"}}
    content: Any = prompt
    if image:
        data = base64.b64encode(Path(image).read_bytes()).decode()
        source = {"type": "base64", "media_type": "image/png", "data": data}
        content = [{"type": "text", "text": prompt}, {"type": "image", "source": source}]
    messages: list[Any] = [{"role": "user", "content": content}]
    common: dict[str, Any] = {
        "model": os.environ["OPENAI_MODEL"],
        "max_tokens": LONGEST,
        "system": [{"type": "text", "text": SYSTEM, **cached}],
        "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "summarized"},
        "container": None,
        "stream": True,
        "tools": [{"name": name, "description": name, "input_schema": LIGHT} for name in NAMES],
    }
    if image:
        plain = {name: value for name, value in SCHEMA.items() if name != "strict"}
        common["output_config"] = {"format": {"type": "json_schema", "schema": plain}}
        common |= {"system": SYSTEM, **cached}  # as its user may choose
        del common["tools"]
    for _ in range(ROUNDS):
        content = await blocks(await client.messages.create(messages=messages, **common))
        messages.append({"role": "assistant", "content": content})
        results = []
        for block in content:
            if block["type"] == "tool_use":
                result = act(block["name"], block["input"])
                about = {"type": "tool_result", "tool_use_id": block["id"]}
                is_error = "error" in result
                results.append({**about, "content": json.dumps(result), "is_error": is_error})
        if not results:
            return "".join(block["text"] for block in content if block["type"] == "text")
        messages.append({"role": "user", "content": results})
    return "too many rounds"


async def blocks(stream: Any) -> list[dict[str, Any]]:
    """The blocks of an answer, out of the events of its stream, as they are sent back."""
    found: list[dict[str, Any]] = []
    async for event in stream:
        match event.type:
            case "content_block_start":
                kept = ("type", "text", "thinking", "signature", "id", "name")
                shown = event.content_block.to_dict()
                found.append({name: shown[name] for name in kept if name in shown})
                arguments = ""
            case "content_block_delta" if event.delta.type == "input_json_delta":
                arguments += event.delta.partial_json
            case "content_block_delta":
                field = event.delta.type.removesuffix("_delta")
                found[-1][field] += getattr(event.delta, field)
            case "content_block_stop" if found[-1]["type"] == "tool_use":
                found[-1]["input"] = json.loads(arguments or "{}")
            case "message_delta" if event.delta.stop_reason == "refusal":
                sys.exit("refused")
    return found


if __name__ == "__main__":
    way = by_responses if sys.argv[1] == "responses" else by_messages
    sys.stdout.write(asyncio.run(way(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")))

"""Programs of the Claude Agent SDK for Python, as its users write them; the argument says which.

Each prints a line of JSON for the end of each turn.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from typing import Any

from claude_agent_sdk import (
    ClaudeAgentOptions,
    ClaudeSDKClient,
    Message,
    ResultMessage,
    StreamEvent,
    create_sdk_mcp_server,
    query,
    tool,
)


def show(message: Message) -> None:
    if isinstance(message, ResultMessage):
        fields = {
            "result": message.result,
            "is_error": message.is_error,
            "structured_output": message.structured_output,
        }
        print(json.dumps(fields), flush=True)  # noqa: T201  # the test reads it


async def plain() -> None:
    """No system prompt of its own."""
    async for message in query(
        prompt="Read it.", options=ClaudeAgentOptions(allowed_tools=["Read"])
    ):
        show(message)


async def with_a_system_prompt() -> None:
    options = ClaudeAgentOptions(system_prompt="You are a careful reader.", allowed_tools=["Read"])
    async for message in query(prompt="Read it.", options=options):
        show(message)


async def with_claude_codes_prompt() -> None:
    options = ClaudeAgentOptions(
        system_prompt={"type": "preset", "preset": "claude_code", "append": "Be brief."},
        setting_sources=["project"],
        allowed_tools=["Read"],
    )
    async for message in query(prompt="Read it.", options=options):
        show(message)


async def with_streamed_input() -> None:
    """Two messages of a user, the second while the first is answered."""

    async def prompts() -> AsyncGenerator[dict[str, Any]]:  # noqa: ASYNC124 - the SDK wants one
        for text in ("Read it.", "And now?"):
            await asyncio.sleep(0)  # the SDK may begin with the first
            yield {"type": "user", "message": {"role": "user", "content": text}}

    options = ClaudeAgentOptions(allowed_tools=["Read"])
    async for message in query(prompt=prompts(), options=options):
        show(message)


async def with_a_client() -> None:
    """Turns of a conversation, one of them interrupted."""
    options = ClaudeAgentOptions(allowed_tools=["Read"], include_partial_messages=True)
    async with ClaudeSDKClient(options) as client:
        await client.query("Read it.")
        async for message in client.receive_response():
            show(message)
        await client.query("Count.")
        is_interrupted = False
        async for message in client.receive_response():
            is_delta = isinstance(message, StreamEvent) and "delta" in message.event
            if is_delta and not is_interrupted:
                is_interrupted = True
                await client.interrupt()
        await client.query("And now?")
        async for message in client.receive_response():
            show(message)


async def with_tools_of_its_own() -> None:
    @tool("add", "Adds two numbers", {"a": int, "b": int})
    async def add(arguments: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"content": [{"type": "text", "text": str(arguments["a"] + arguments["b"])}]}

    options = ClaudeAgentOptions(
        mcp_servers={"ours": create_sdk_mcp_server("ours", tools=[add])},
        allowed_tools=["mcp__ours__add"],
    )
    async with ClaudeSDKClient(options) as client:
        await client.query("Add.")
        async for message in client.receive_response():
            show(message)


async def with_structured_output() -> None:
    fields = {"name": {"type": "string"}, "age": {"type": "integer"}}
    schema = {"type": "object", "properties": fields, "required": ["name", "age"]}
    options = ClaudeAgentOptions(output_format={"type": "json_schema", "schema": schema})
    async for message in query(prompt="Who?", options=options):
        show(message)


TASKS = (
    plain,
    with_a_system_prompt,
    with_claude_codes_prompt,
    with_streamed_input,
    with_a_client,
    with_tools_of_its_own,
    with_structured_output,
)

if __name__ == "__main__":
    asyncio.run({task.__name__: task for task in TASKS}[sys.argv[1]]())

"""With tools of the CLI's own, several calls of the API are one message."""

import json
import sys
from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.real.servers import MODEL, ONE, running
from trioproxy.settings import ClaudeSettings
from trioproxy.standin.answers import plan

pytestmark = pytest.mark.real

NOTE = "the word on the note is owl"


def reads(path: Path, text: str) -> dict[str, Any]:
    ask = f'[[standin text="{text}" tool=Read input={{"file_path":"{path}"}}]]'
    return {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": ask}]}


async def test_the_calls_of_one_turn_are_one_message(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "note").write_text(NOTE)
    claude = ClaudeSettings(tools="Read", permission_mode="dontAsk", max_turns=3, cwd=str(work))
    async with running(tmp_path, ONE, claude=claude) as server:
        for _ in range(2):  # the second time on the same process
            server.standin.record.clear()
            question = reads(work / "note", "I will look.")
            stream = await server.client.messages.create(**question, stream=True)
            events = [event.to_dict() async for event in stream]
            asked = server.asked()
            kinds = [event["type"] for event in events]
            assert kinds[0] == "message_start"
            assert kinds.count("message_start") == kinds.count("message_delta") == 1
            assert kinds[-2:] == ["message_delta", "message_stop"]
            indexes = [event["index"] for event in events if "index" in event]
            assert indexes == sorted(indexes)
            blocks = [e["content_block"] for e in events if e["type"] == "content_block_start"]
            assert {block["type"] for block in blocks} == {"text"}
            assert len(asked) == 2
            assert [tool["name"] for tool in asked[0]["tools"]] == ["Read"]
            assert NOTE in str(asked[1]["messages"][-1])
            usage = events[-2]["usage"]
            planned = [plan(body, number=1) for body in asked]
            assert usage["output_tokens"] == sum(answer.output_tokens for answer in planned)
            assert usage["input_tokens"] == sum(answer.input_tokens for answer in planned)
        (worker,) = (await server.settled()).workers
        assert worker.uses == 2
        with pytest.raises(
            anthropic.BadRequestError, match="this server runs the CLI's own tools"
        ):
            await server.client.messages.create(
                **question, tools=[{"name": "x", "input_schema": {"type": "object"}}]
            )


MCP_SERVER = """
import json, sys
TOOL = {"name": "read_note", "description": "Reads.", "inputSchema": {"type": "object"}}
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    match asked["method"]:
        case "initialize":
            result = {
                "protocolVersion": asked["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "notes", "version": "1"},
            }
        case "tools/list":
            result = {"tools": [TOOL]}
        case "tools/call":
            result = {"content": [{"type": "text", "text": "NOTE"}]}
        case _:
            result = {}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""


async def test_the_tools_of_an_mcp_server_are_the_clis_own(tmp_path: Path) -> None:
    script, config = tmp_path / "notes.py", tmp_path / "mcp.json"
    script.write_text(MCP_SERVER.replace("NOTE", NOTE))
    notes = {"command": sys.executable, "args": [str(script)]}
    config.write_text(json.dumps({"mcpServers": {"notes": notes}}))
    claude = ClaudeSettings(
        mcp_config=str(config), max_turns=3, extra_args=("--allowedTools=mcp__notes__read_note",)
    )
    ask = '[[standin text="I will look." tool=mcp__notes__read_note input={}]]'
    async with running(tmp_path, ONE, claude=claude) as server:
        answer = await server.client.messages.create(
            model=MODEL, max_tokens=1000, messages=[{"role": "user", "content": ask}]
        )
        first, second = server.asked()
        (worker,) = (await server.settled()).workers
    assert [tool["name"] for tool in first["tools"]] == ["mcp__notes__read_note"]
    assert NOTE in str(second["messages"][-1])
    assert [block.type for block in answer.content] == ["text", "text"]
    assert answer.stop_reason == "end_turn"
    assert worker.uses == 1


async def test_what_the_permission_mode_does_not_allow_is_denied(tmp_path: Path) -> None:
    note = tmp_path / "written"
    claude = ClaudeSettings(tools="Write", permission_mode="dontAsk", max_turns=3)
    inputs = json.dumps({"file_path": str(note), "content": "x"})
    ask = f"[[standin tool=Write input={inputs}]]"
    async with running(tmp_path, ONE, claude=claude) as server:
        await server.client.messages.create(
            model=MODEL, max_tokens=1000, messages=[{"role": "user", "content": ask}]
        )
        _, second = server.asked()
    assert not note.exists()
    (denied,) = second["messages"][-1]["content"]
    assert denied["is_error"]


async def test_a_turn_that_max_turns_ends_is_paused(tmp_path: Path) -> None:
    claude = ClaudeSettings(tools="Read", permission_mode="dontAsk", max_turns=1)
    async with running(tmp_path, ONE, claude=claude) as server:
        answer = await server.client.messages.create(**reads(tmp_path / "none", "Look:"))
        again = await server.client.messages.create(**reads(tmp_path / "none", "Look:"))
        (worker,) = (await server.settled()).workers
    assert worker.uses == 2
    assert answer.stop_reason == again.stop_reason == "pause_turn"
    assert [block.type for block in answer.content] == ["text"]
    assert answer.usage.output_tokens > 0

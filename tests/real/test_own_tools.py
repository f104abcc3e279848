"""With tools of the CLI's own, several calls of the API are one message."""

from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.real.serving import MODEL, ONE, running
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
        with pytest.raises(anthropic.BadRequestError, match="this server runs tools of its own"):
            await server.client.messages.create(
                **question, tools=[{"name": "x", "input_schema": {"type": "object"}}]
            )


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

"""An agent's conversation by OpenAI's API, before an API that reckons its cache as documented."""

from pathlib import Path
from typing import Any

import openai
import pytest

from tests.real.servers import MODEL, ONE, running
from trioproxy.settings import OpenAISettings
from trioproxy.standin import PromptCache

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

LONG = " ".join(f"word{n}" for n in range(60))
TOOL = {"name": "look", "description": LONG, "parameters": {"type": "object", "properties": {}}}
TURNS = 4


async def conversation(client: Any, *, system: str) -> list[tuple[int, int, int]]:
    """What each of its turns has read, written, and asked in all."""
    messages: list[Any] = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": f"Begin. {LONG}"})
    counted = []
    for turn in range(TURNS):
        answer = await client.chat.completions.create(
            model=MODEL, messages=messages, tools=[{"type": "function", "function": TOOL}]
        )
        details = answer.usage.prompt_tokens_details
        counted.append(
            (details.cached_tokens, details.cache_write_tokens, answer.usage.prompt_tokens)
        )
        function = {"name": "look", "arguments": "{}"}
        call = {"id": f"c{turn}", "type": "function", "function": function}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{turn}", "content": f"{turn} {LONG}"},
        ]
    return counted


@pytest.mark.parametrize("system", ["", f"Be brief. {LONG}"], ids=["without a prompt", "with one"])
async def test_an_agent_pays_once_for_what_it_has_said(tmp_path: Path, system: str) -> None:
    async with running(tmp_path, ONE) as server:
        server.standin.cache = PromptCache(minimum=50)
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="any") as client:
            counted = await conversation(client, system=system)
            single = await client.responses.create(
                model=MODEL, input=f"Begin. {LONG}", prompt_cache_key="k"
            )
    (read, written, asked), *others = counted
    assert (read, written) == (0, asked)
    for read, written, whole in others:
        assert read == asked, "all that was asked before"
        assert written == whole - asked, "what is new"
        asked = whole
    assert single.usage is not None
    details = single.usage.input_tokens_details
    assert (details.cached_tokens, details.cache_write_tokens > 50) == (0, True)  # it has no tools


async def test_without_it_every_turn_pays_for_all(tmp_path: Path) -> None:
    async with running(tmp_path, ONE, openai=OpenAISettings(prompt_caching=False)) as server:
        server.standin.cache = PromptCache(minimum=50)
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="any") as client:
            counted = await conversation(client, system="")
        assert all((read, written) == (0, 0) for read, written, _ in counted)
        assert not any("cache_control" in str(body) for body in server.asked())

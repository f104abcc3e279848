"""Nothing of one request is there in the next one on the same process."""

import random
from pathlib import Path
from typing import Any

import pytest

from tests.real.comparison import as_blocks, without_own
from tests.real.servers import MODEL, running
from tests.sizing import Sized

pytestmark = pytest.mark.real

CACHED = {"cache_control": {"type": "ephemeral"}}


def tool(name: str) -> dict[str, Any]:
    return {"name": name, "input_schema": {"type": "object"}}


CHOICES: dict[str, list[Any]] = {
    "temperature": [0, 0.2, 0.7],
    "top_p": [0.1, 0.9],
    "top_k": [1, 40],
    "stop_sequences": [["a-stop"], ["b-stop", "c-stop"]],
    "thinking": [{"type": "enabled", "budget_tokens": 1024}, {"type": "adaptive"}],
    "tools": [[tool("one")], [tool("two"), tool("three")]],
    "output_config": [{"effort": "low"}, {"effort": "max"}],
    "metadata": [{"user_id": "u-1"}, {"user_id": "u-2"}],
    "service_tier": ["auto", "standard_only"],
    "cache_control": [CACHED["cache_control"]],
    "inference_geo": ["us"],
}


def any_request(rng: random.Random, number: int) -> dict[str, Any]:
    names = rng.sample(sorted(CHOICES), rng.randint(0, 6))
    text = {"role": "user", "content": f"number {number}"}
    return {
        "model": rng.choice([MODEL, "claude-sonnet-4-5"]),
        "max_tokens": rng.randint(2000, 4000),
        "messages": [text],
        "system": "Be brief.",
        **{name: rng.choice(CHOICES[name]) for name in names},
    }


async def test_nothing_of_a_request_reaches_the_next_one(tmp_path: Path, sized: Sized) -> None:
    rng = random.Random(11)
    given = [any_request(rng, number) for number in range(sized(60, 600))]
    async with running(tmp_path) as server:
        for number, request in enumerate(given):
            betas = {"anthropic-beta": "foo-2026-01-01"} if number % 5 == 0 else {}
            await server.client.post(
                "/v1/messages", cast_to=object, body=request, options={"headers": betas}
            )
        (worker,) = (await server.settled()).workers
    assert worker.uses > 1
    asked = server.standin.record.messages
    assert len(asked) == len(given)
    for number, (request, item) in enumerate(zip(given, asked, strict=True)):
        betas_then = frozenset(item.headers["anthropic-beta"].split(","))
        found = without_own(item.body, betas_then, request)
        assert found.body == as_blocks(request)
        assert found.betas == ({"foo-2026-01-01"} if number % 5 == 0 else set())

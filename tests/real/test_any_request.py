"""Any valid request reaches the API as it was sent; any other is refused with a path, or by it."""

import copy
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.messages import document, image, result, use
from tests.real.background import Background, in_background
from tests.real.comparison import Both, as_blocks, both_ways, without_own
from tests.real.servers import MODEL
from trioproxy.dialects.json_checks import is_blank
from trioproxy.settings import PoolSettings

pytestmark = pytest.mark.real

# Two system prompts, so that no process has to be booted for an example.
POOL = PoolSettings(min_size=2, max_size=2, max_requests=100_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background[Both]]:
    with in_background(both_ways(tmp_path_factory.mktemp("any"), POOL)) as found:
        yield found


def _is_sayable(message: str) -> bool:
    return not is_blank(message) and message != "(no content)"


odd_words = st.sampled_from(
    ["/cost", "/clear ", " @/etc/hosts", "!ls", "#x", "ultrathink", "\u2028", "<system-reminder>"]
)
any_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
texts = st.one_of(
    any_text,
    odd_words,
    st.tuples(odd_words, any_text).map("".join),
    any_text.map(lambda s: s * 50),
).filter(_is_sayable)
text_blocks = st.builds(lambda message: {"type": "text", "text": message}, texts)
media = st.one_of(
    st.integers(1, 40).map(image),
    st.just(document(type="base64", media_type="application/pdf", data="JVBERi0xLjQK")),
    any_text.map(lambda message: document(type="text", media_type="text/plain", data=message)),
    any_text.map(
        lambda message: document(type="content", content=[{"type": "text", "text": message}])
    ),
)
user_blocks = st.lists(st.one_of(text_blocks, text_blocks, media), min_size=1, max_size=4)
thoughts = st.one_of(
    st.builds(
        lambda message: {"type": "thinking", "thinking": message, "signature": "c2ln"}, any_text
    ),
    st.just({"type": "redacted_thinking", "data": "ZGF0YQ=="}),
)
json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(-1e9, 1e9), any_text
    ).map(lambda value: int(value) if isinstance(value, float) and value.is_integer() else value),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(any_text, inner, max_size=3)
    ),
    max_leaves=6,
)
inputs = st.dictionaries(any_text.filter(lambda key: key != "__proto__"), json_values, max_size=3)
result_contents = st.one_of(
    any_text, st.lists(st.one_of(text_blocks, media), min_size=1, max_size=3)
)


@st.composite
def rounds(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A conversation that ends with the user, its calls of tools answered."""
    messages = [{"role": "user", "content": draw(user_blocks)}]
    for turn in range(draw(st.integers(0, 4))):
        message = draw(st.lists(thoughts, max_size=2)) + draw(st.lists(text_blocks, max_size=2))
        calls = [
            use(f"toolu_{turn}_{i}", "get_weather") | {"input": item}
            for i, item in enumerate(draw(st.lists(inputs, max_size=2)))
        ]
        if not calls:
            message.append(draw(text_blocks))
        messages.append({"role": "assistant", "content": message + calls})
        results = [result(call["id"], draw(result_contents)) for call in calls]
        rest = draw(user_blocks) if not calls or draw(st.booleans()) else []
        messages.append({"role": "user", "content": draw(st.permutations(results)) + rest})
    return messages


tools = st.lists(
    st.from_regex(r"[a-zA-Z0-9_-]{1,30}", fullmatch=True), unique=True, max_size=4
).map(lambda names: [{"name": name, "input_schema": {"type": "object"}} for name in names])
parameters = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.sampled_from([0, 0.1, 0.5, 1]),
        "top_p": st.sampled_from([0.1, 0.5]),
        "top_k": st.integers(0, 500),
        "stop_sequences": st.lists(texts, max_size=3),
        "metadata": st.just({"user_id": "u"}),
        "tools": tools,
        "system": st.sampled_from(["Be brief.", ""]),
        "thinking": st.sampled_from(
            [{"type": "disabled"}, {"type": "enabled", "budget_tokens": 1024}]
        ),
        "output_config": st.sampled_from([{"effort": "low"}, {"effort": "high", "format": None}]),
    },
)


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    given = draw(parameters)
    max_tokens = draw(st.integers(2000, 9000))
    return {"model": MODEL, "max_tokens": max_tokens, "messages": draw(rounds()), **given}


whatever = settings(suppress_health_check=list(HealthCheck))  # what is drawn is large, and a lot


@whatever
@given(request=requests())
def test_a_valid_request_reaches_the_api_as_it_was_sent(
    server: Background[Both], request: dict[str, Any]
) -> None:
    async def ask(both: Both) -> dict[str, Any]:
        both.server.standin.record.clear()
        await both.through.post("/v1/messages", cast_to=object, body=request)
        await both.server.settled()
        (asked,) = both.server.standin.record.messages
        return dict(asked.body)

    body = server.run(ask)
    assert without_own(body, frozenset(), request).body == as_blocks(request)


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """A valid request of which one value, wherever it is, is another or is missing."""
    request = copy.deepcopy(draw(requests()))
    paths: list[tuple[Any, Any]] = []
    inside: list[Any] = [request]
    while inside:
        first = inside.pop()
        keys = list(first) if isinstance(first, dict) else range(len(first))
        for key in keys:
            paths.append((first, key))
            if isinstance(first[key], dict | list):
                inside.append(first[key])
    holder, key = draw(st.sampled_from(paths))
    if isinstance(holder, dict) and draw(st.booleans()):
        del holder[key]
    else:
        other = st.one_of(json_values, st.just({"type": "tool_use"}), st.just("x" * 99))
        holder[key] = draw(other)
    return request


ANYWHERE = {"model", "max_tokens", "messages", "cache_control"}


# Of the server, which is an argument: else what has failed is not told.
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@whatever
@given(request=spoilt())
def test_an_invalid_request_is_refused_with_a_path_and_takes_no_worker(
    server: Background[Both], request: dict[str, Any]
) -> None:
    async def ask(both: Both) -> tuple[int, str, int, int, str]:
        both.server.standin.record.clear()
        before = {worker.id: worker.uses for worker in both.server.stats.workers}
        status, message = 200, ""
        try:
            await both.through.post("/v1/messages", cast_to=object, body=request)
        except anthropic.APIStatusError as error:
            status, message = error.status_code, error.response.json()["error"]["message"]
        stats = await both.server.settled()
        # A spoilt system prompt may be a third one, for which another process makes room.
        used = sum(worker.uses - before.get(worker.id, 0) for worker in stats.workers)
        return status, message, used, len(both.server.standin.record.messages), repr(stats)

    status, message, used, asked, stats = server.run(ask)
    assert status < 500, message
    # What the API has refused has reached it; what we have has not.
    assert used == (asked > 0), (used, asked, status, message, stats)
    assert asked or message.partition(":")[0].partition(".")[0] in ANYWHERE | request.keys()

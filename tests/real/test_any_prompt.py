"""A process that takes any prompt asks the API what one that was bound to it at its start asks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.messages import assistant, image, result, text, use, user
from tests.real.one_process import Arrived, OneProcess, one_process, turn

pytestmark = pytest.mark.real

CACHED = {"cache_control": {"type": "ephemeral"}}
TOOL = {"name": "get_weather", "input_schema": {"type": "object"}}
NEW = "claude-opus-5-5"


@frozen
class Kind:
    """A kind of request."""

    name: str
    messages: list[dict[str, Any]]
    fields: dict[str, Any]


def asked(*messages: dict[str, Any], **parameters: Any) -> tuple[list[dict[str, Any]], Any]:
    return [*messages], {"parameters": parameters}


HI = user("hi")
CALLED = [user("?"), assistant(use("t1")), user(result("t1"), "go on")]
KINDS = [
    Kind("plain", [HI], {}),
    Kind("sampling", [HI], {"parameters": {"temperature": 0.5, "stop_sequences": ["x"]}}),
    Kind("cached", [user(text("hi", **CACHED))], {"system_cache": "5m"}),
    Kind("cached for an hour", [HI], {"system_cache": "1h"}),
    Kind("tools", [HI], {"parameters": {"tools": [TOOL], "tool_choice": {"type": "any"}}}),
    Kind(
        "thinking", [HI], {"parameters": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}
    ),
    Kind("top_p", [HI], {"parameters": {"top_p": 0.5}}),
    Kind("effort", [HI], {"model": NEW, "parameters": {"output_config": {"effort": "low"}}}),
    Kind("history", [HI, assistant("Hello."), user("again")], {}),
    Kind("history of calls", CALLED, {"parameters": {"tools": [TOOL]}}),
    Kind("image", [user(image(), "?")], {}),
    Kind("words", [user("ultrathink @/etc/hostname /cost")], {}),
    Kind("command", [user("/clear")], {}),
    Kind("betas", [HI], {"betas": ("files-api-2025-04-14",)}),
    Kind("long context", [HI], {"model": "claude-sonnet-4-5[1m]"}),
    Kind("unlisted model", [HI], {"model": "claude-3-7-sonnet-20250219"}),
    Kind("no prompt", [HI], {"system": ""}),
]

# What differs between any two processes, and between any two requests.
REMINDER = "<system-reminder>\n"

OF_A_PROCESS = {"x-claude-code-session-id", "x-client-request-id", "content-length", "host"}


@pytest.fixture(scope="module")
def bound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneProcess]:
    with one_process(tmp_path_factory.mktemp("bound")) as found:
        yield found


@pytest.fixture(scope="module")
def any_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneProcess]:
    with one_process(tmp_path_factory.mktemp("any"), takes_any=True) as found:
        yield found


def comparable(arrived: Arrived) -> tuple[Any, Any]:
    """The body and the headers, less what differs between any two."""
    assert arrived.is_clean
    body = {name: value for name, value in arrived.body.items() if name != "metadata"}
    billing, *system = body["system"]
    assert billing["text"].startswith("x-anthropic-billing-header:")
    headers = {k.lower(): v for k, v in arrived.headers.items() if k.lower() not in OF_A_PROCESS}
    return {**body, "system": system}, headers


@pytest.fixture(scope="module")
def logged_in(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[OneProcess, OneProcess]]:
    """With a login: bound, and any prompt; at the same place, for the CLI says where it is."""
    folder = tmp_path_factory.mktemp("login")
    place = folder / "work"
    homes = [folder / name for name in ("bound", "any")]
    for each in (place, *homes):
        each.mkdir()
    with (
        one_process(homes[0], has_login=True, cwd=place) as bound,
        one_process(homes[1], takes_any=True, has_login=True, cwd=place) as any_,
    ):
        yield bound, any_


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_request_with_a_login_is_that_of_a_bound_process(
    logged_in: tuple[OneProcess, OneProcess], kind: Kind
) -> None:
    bound, any_ = logged_in
    fields = {"system": f"You know {kind.name}.", **kind.fields}
    asked = turn(*kind.messages, **fields)
    assert comparable(any_.arrives(asked)) == comparable(bound.arrives(asked))


def test_what_the_cli_adds_with_a_login_is_the_same_in_each_process_but_for_the_place(
    logged_in: tuple[OneProcess, OneProcess], tmp_path: Path
) -> None:
    _, any_ = logged_in
    asked = turn(HI, assistant("Hello."), user("again"), system="You know.")
    before = any_.arrives(asked)
    added = [
        block["text"]
        for message in before.messages
        for block in message["content"]
        if block["text"].startswith(REMINDER)
    ]
    assert [text.splitlines()[1].split(" is ")[0] for text in added] == [
        "# Environment",
        "You are powered by the model named Haiku 4.5. The exact model ID",
        "Today's date",
    ]
    with one_process(tmp_path, takes_any=True, has_login=True, cwd=tmp_path) as other:
        after = other.arrives(asked)
    place = "Primary working directory: "
    assert [place in text for text in added] == [True, False, False]
    texts = [str(each.messages) for each in (before, after)]
    here = [text.split(place)[1].split("\\n")[0] for text in texts]
    assert texts[0].replace(here[0], "") == texts[1].replace(here[1], "")
    assert here[1] == str(tmp_path)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_request_is_that_of_a_bound_process(
    bound: OneProcess, any_: OneProcess, kind: Kind
) -> None:
    fields = {"system": f"You know {kind.name}.", **kind.fields}
    asked = turn(*kind.messages, **fields)
    assert comparable(any_.arrives(asked)) == comparable(bound.arrives(asked))


def test_each_slot_arrives_exactly(any_: OneProcess) -> None:
    """Of 36 callers, each names every other slot's placeholder."""
    names = " ".join(f"${{user_config.p{slot}}}" for slot in range(16))
    odd = "$& $1 $$ ${CLAUDE_PLUGIN_ROOT} $ARGUMENTS !`ls` @/etc/hostname <!-- x -->"
    odd += " ${user_config.${user_config.p1}}"
    for number in [*range(36), *range(35, 14, -1)]:
        system = f" \n---\nprompt {number}\n---\n{names}\n{odd}\r\n\u2028 "
        found = any_.arrives(turn(user("?"), system=system, caller=f"c{number}"))
        assert found.system == [system]

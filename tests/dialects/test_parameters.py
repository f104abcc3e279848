"""Each parameter of the API: what is taken, what is refused and where, and what the table says."""

import json
from typing import Any

import pytest
from anthropic.types import message_create_params
from anthropic.types.beta import message_create_params as beta_params
from attrs import frozen

from tests.messages import image
from trioproxy.dialects.anthropic.parameters import PARAMETERS
from trioproxy.dialects.anthropic.request import MessagesRequest, RequestDefaults, parse_request
from trioproxy.errors import InvalidRequest

HI: dict[str, Any] = {"role": "user", "content": "hi"}
TOOL = {"name": "get_weather", "input_schema": {"type": "object"}}
MARKED = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
CACHED = {"cache_control": {"type": "ephemeral"}}


def parsed(
    *, rules: RequestDefaults | None = None, betas: str = "", **fields: object
) -> MessagesRequest:
    body = {"model": "claude-test", "max_tokens": 100, "messages": [HI], **fields}
    return parse_request(json.dumps(body).encode(), betas=betas, rules=rules or RequestDefaults())


@frozen
class Refused:
    """Fields of a body, and what is said of them."""

    fields: dict[str, Any]
    text: str


NUMBER = "must be a number, not"
BLANK = "must contain a character other than white space"
BUDGET = "thinking.budget_tokens"
EFFORT = 'must be "low", "medium", "high", "xhigh" or "max", not'

REFUSED = [
    Refused({"temperature": "1"}, f"temperature: {NUMBER} a string"),
    Refused({"temperature": True}, f"temperature: {NUMBER} true or false"),
    Refused({"temperature": 1.1}, "temperature: must be 0 to 1, not 1.1"),
    Refused({"temperature": -1}, "temperature: must be 0 to 1, not -1"),
    Refused({"top_p": 2}, "top_p: must be 0 to 1, not 2"),
    Refused({"top_k": 0.5}, "top_k: must be an integer, not a number"),
    Refused({"top_k": -1}, "top_k: must be at least 0, not -1"),
    Refused({"stop_sequences": "x"}, "stop_sequences: must be a list, not a string"),
    Refused({"stop_sequences": ["x", 1]}, "stop_sequences.1: must be a string, not a number"),
    Refused({"stop_sequences": ["\n"]}, f"stop_sequences.0: {BLANK}"),
    Refused({"thinking": True}, "thinking: must be an object, not true or false"),
    Refused({"thinking": {}}, "thinking.type: Field required"),
    Refused({"thinking": {"type": "enabled"}}, f"{BUDGET}: Field required"),
    Refused(
        {"thinking": {"type": "enabled", "budget_tokens": 1023}},
        f"{BUDGET}: must be at least 1024, not 1023",
    ),
    Refused(
        {"thinking": {"type": "disabled", "budget_tokens": 2000}},
        f"{BUDGET}: no such field here",
    ),
    Refused({"tools": {}}, "tools: must be a list, not an object"),
    Refused({"tools": [1]}, "tools.0: must be an object, not a number"),
    Refused({"tools": [{}]}, "tools.0.name: Field required"),
    Refused({"tools": [{"name": "a"}]}, "tools.0.input_schema: Field required"),
    Refused(
        {"tools": [{**TOOL, "description": 1}]},
        "tools.0.description: must be a string, not a number",
    ),
    Refused({"tools": [{"type": [], "name": "x"}]}, "tools.0.type: must be a string, not a list"),
    Refused({"tools": [{**TOOL, "type": 1}]}, "tools.0.type: must be a string, not a number"),
    Refused(
        {"tools": [TOOL, TOOL]},
        'tools.1.name: duplicate tool name "get_weather"',
    ),
    Refused({"tool_choice": {"type": "any"}}, "tool_choice: there are no `tools` to choose from"),
    Refused(
        {"tools": [TOOL], "tool_choice": "any"}, "tool_choice: must be an object, not a string"
    ),
    Refused(
        {"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice.name: Field required"
    ),
    Refused(
        {"tools": [TOOL], "tool_choice": {"type": "some"}},
        'tool_choice.type: must be "auto", "any", "tool" or "none", not "some"',
    ),
    Refused({"output_config": {"effort": "huge"}}, f'output_config.effort: {EFFORT} "huge"'),
    Refused(
        {"output_config": {"format": {"type": "json_schema"}}},
        "output_config.format.schema: Field required",
    ),
    Refused({"output_config": {"form": 1}}, "output_config.form: no such field here"),
    Refused({"metadata": {"user": "u"}}, "metadata.user: no such field here"),
    Refused(
        {"metadata": {"user_id": "u" * 513}},
        "metadata.user_id: has 513 characters; at most 512 are allowed",
    ),
    Refused(
        {"service_tier": "best"}, 'service_tier: must be "auto" or "standard_only", not "best"'
    ),
    Refused({"cache_control": {}}, "cache_control.type: Field required"),
    Refused({"container": ""}, "container: must not be empty"),
    Refused({"mcp_servers": [1]}, "mcp_servers.0: must be an object, not a number"),
    Refused({"system": " "}, f"system: {BLANK}"),
    Refused({"temprature": 1}, "temprature: no such parameter in the Messages API"),
]


@pytest.mark.parametrize("refused", REFUSED, ids=lambda case: case.text)
def test_what_is_wrong_is_refused_with_where(refused: Refused) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed(**refused.fields)
    assert caught.value.message.startswith(refused.text)
    assert caught.value.path == refused.text.partition(": ")[0]


def test_what_is_nested_too_deeply_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(300):
        schema = {"properties": schema}
    with pytest.raises(InvalidRequest, match="nested more than 200 times"):
        parsed(tools=[{"name": "a", "input_schema": schema}])


def test_the_table_has_every_parameter_that_the_official_package_knows() -> None:
    known = {
        *message_create_params.MessageCreateParamsBase.__annotations__,
        *beta_params.MessageCreateParamsBase.__annotations__,
    }
    assert known - {"betas"} <= set(PARAMETERS)  # the package makes a header of the betas
    taken_by_older_models = {"stream", "temperature", "top_p", "top_k"}
    sent_by_claude_code = {"safeguards"}
    assert set(PARAMETERS) - known == (taken_by_older_models | sent_by_claude_code) - known


@pytest.mark.parametrize(
    "name", [item.name for item in PARAMETERS.values() if not item.is_honoured]
)
def test_what_is_not_honoured_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed(**dict[str, Any]({name: {}}))
    reason = f"{name}: not supported by this server: {PARAMETERS[name].note}"
    assert caught.value.message == reason


def test_the_official_package_is_told_to_send_whole_conversations() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed(thread={"type": "create"})
    assert caught.value.details == {
        "error_code": "thread_unsupported_request",
        "unsupported": ["thread"],
    }


def test_beta_features_come_once_and_in_their_order() -> None:
    assert parsed(betas=" b, a-1,,b").turn.betas == ("b", "a-1")
    assert parsed(betas="").turn.betas == ()


@pytest.mark.parametrize("betas", ["a b", "a;b", "é", "a\tb", "x" * 101, "-a"])
def test_a_beta_feature_that_could_not_be_a_header_is_refused(betas: str) -> None:
    with pytest.raises(InvalidRequest, match="anthropic-beta: contains an invalid beta name"):
        parsed(betas=betas)


# -- The operator's rules -----------------------------------------------------------------------


def test_the_operators_model_and_prompt_are_for_requests_without() -> None:
    rules = RequestDefaults(model="claude-default", system="Be kind.")
    body = json.dumps({"max_tokens": 1, "messages": [HI]}).encode()
    turn = parse_request(body, rules=rules).turn
    assert (turn.model, turn.system) == ("claude-default", "Be kind.")
    turn = parsed(rules=rules, system="Be brief.").turn
    assert (turn.model, turn.system) == ("claude-test", "Be brief.")


def test_tools_cannot_be_added_to_the_clis_own() -> None:
    rules = RequestDefaults(own_tools=True)
    assert parsed(rules=rules, tools=[]).turn.parameters == {"tools": []}
    with pytest.raises(InvalidRequest, match="tools: this server runs the CLI's own tools"):
        parsed(rules=rules, tools=[TOOL])


# -- Cache breakpoints --------------------------------------------------------------------------


@frozen
class Breakpoints:
    """Where a caller sets breakpoints, and where they are then: at a tool, the system, a message.

    A capital letter has one.
    """

    given: str
    kept: str
    notes: int = 0


BREAKPOINTS = [
    Breakpoints("s mmmm", "s mmmm"),
    Breakpoints("s MmMm", "s MmMm"),
    Breakpoints("s MMMM", "s MMMM"),
    Breakpoints("tT s MMM", "tT s MMM"),
    Breakpoints("S mmmm", "S mmmm", notes=1),
    Breakpoints("S Mmmm", "S Mmmm", notes=1),
    Breakpoints("S mmmM", "S mmmM"),
    Breakpoints("S mMmM", "S mMmM"),
    Breakpoints("S MMmm", "S mMmm", notes=2),
    Breakpoints("S MMmM", "S mMmM", notes=1),
    Breakpoints("tT S mmMM", "tt S mmMM", notes=1),
    Breakpoints("tT S mmmM", "tT S mmmM"),
]


def with_breakpoints(notation: str) -> MessagesRequest:
    *tools, system, messages = notation.split()
    mark = {letter: CACHED if letter.isupper() else {} for letter in "tTsSmM"}
    named = [{**TOOL, "name": f"t{i}", **mark[item]} for i, item in enumerate("".join(tools))]
    return parsed(
        system=[{"type": "text", "text": "s", **mark[system]}],
        tools=named,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "m", **mark[message]} for message in messages
                ],
            }
        ],
    )


@pytest.mark.parametrize("breakpoints", BREAKPOINTS, ids=lambda case: case.given)
def test_breakpoints_are_kept_as_far_as_the_cli_leaves_room(breakpoints: Breakpoints) -> None:
    asked = with_breakpoints(breakpoints.given)
    marks = [
        [letter.upper() if "cache_control" in block else letter for block in blocks]
        for letter, blocks in (
            ("t", asked.turn.parameters["tools"]),
            ("m", asked.turn.messages[0].content),
        )
    ]
    tools, messages = map("".join, marks)
    system = "S" if asked.turn.system_cache else "s"
    assert f"{tools} {system} {messages}".strip() == breakpoints.kept
    assert len(asked.notes) == breakpoints.notes


def test_breakpoints_inside_a_block_count() -> None:
    inside = {"type": "document", "source": {"type": "content", "content": [MARKED, MARKED]}}
    content = [inside, MARKED, MARKED]
    assert parsed(messages=[{"role": "user", "content": content}]).notes == ()
    with pytest.raises(InvalidRequest, match="and there are 5"):
        parsed(messages=[{"role": "user", "content": [*content, MARKED]}])


def test_breakpoints_that_the_cli_takes_away_are_noted() -> None:
    asked = parsed(system=[MARKED, {"type": "text", "text": "b"}])
    assert asked.notes == (
        "cache_control: in `system`, only one is kept, at its end",
        "cache_control: the CLI sets one at the last block too, beside that in `system`",
    )
    asked = parsed(messages=[{"role": "user", "content": [{**image(), **CACHED}, MARKED]}])
    assert asked.notes == (
        "cache_control: moved to a neighbouring block, the CLI drops it where it was",
    )
    (picture, text) = asked.turn.messages[0].content
    assert ("cache_control" in picture, "cache_control" in text) == (False, True)


@pytest.mark.parametrize("notation", ["s MMMMM", "tT s MMMM", "S MMMM"])
def test_more_breakpoints_than_the_api_takes_are_refused(notation: str) -> None:
    with pytest.raises(
        InvalidRequest, match="the API allows 4 cache breakpoints, and there are 5"
    ):
        with_breakpoints(notation)


# -- Notes --------------------------------------------------------------------------------------


def test_a_number_that_the_cli_rounds_is_noted() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 2**63 - 1}}}
    asked = parsed(tools=[{"name": "a", "input_schema": schema}])
    assert asked.notes == ("whole numbers beyond 2^53 rounded by the CLI",)
    schema["properties"] = {"n": {"type": "integer", "maximum": 2**53}}
    assert parsed(tools=[{"name": "a", "input_schema": schema}]).notes == ()

"""The parameters of the Messages API: which are honoured, and how; which are refused, and why.

This table drives the code, `GET /v1/capabilities` and the README.

The model, the messages, the system prompt and `max_tokens` have their own ways to the CLI; every
other parameter reaches the API's request as it was given, in the CLI's `CLAUDE_CODE_EXTRA_BODY`.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from attrs import field, frozen

from trioproxy.dialects.anthropic.names import is_name, is_tool
from trioproxy.dialects.json_checks import (
    Check,
    a_list,
    a_number,
    a_whole_number,
    an_object,
    anything,
    by_type,
    is_blank,
    is_cache_control,
    is_flag,
    is_object,
    is_string,
    is_word,
    nullable,
    one_of,
    short,
)
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

_LEAST_BUDGET = 1024
_LONGEST_USER_ID = 512


@frozen
class Parameter:
    """One parameter: its check, and what becomes of it. Without a check it is refused."""

    name: str
    note: str
    check: Check | None = None
    is_passed_on: bool = field(default=True, kw_only=True)
    details: Mapping[str, Any] | None = field(default=None, kw_only=True)  # of its refusal

    @property
    def is_honoured(self) -> bool:
        """Whether it reaches the model unchanged."""
        return self.check is not None


def _stop_sequence(value: object, path: str) -> None:
    is_string(value, path)
    if is_blank(str(value)):
        raise InvalidRequest(
            Refusal.EMPTY, "must contain a character other than white space", path=path
        )


def _tool(value: object, path: str) -> None:
    is_object(value, path)
    assert isinstance(value, dict)
    if value.get("type") not in (None, "custom"):
        is_name(value["type"], f"{path}.type")  # one of the API's own tools: it knows their fields
        nullable(is_name)(value.get("name"), f"{path}.name")
        return
    for name, check in {"name": is_tool, "input_schema": is_object}.items():
        if name not in value:
            raise InvalidRequest(Refusal.MISSING_FIELD, "Field required", path=f"{path}.{name}")
        check(value[name], f"{path}.{name}")
    nullable(is_string)(value.get("description"), f"{path}.description")
    nullable(is_cache_control)(value.get("cache_control"), f"{path}.cache_control")


def _tools(value: object, path: str) -> None:
    a_list(_tool)(value, path)
    assert isinstance(value, list)
    names: set[str] = set()
    for index, tool in enumerate(value):
        name = tool.get("name")
        if isinstance(name, str) and name in names:
            reason = f'duplicate tool name "{short(name)}"'
            raise InvalidRequest(Refusal.DUPLICATE_TOOL, reason, path=f"{path}.{index}.name")
        names.add(str(name))


_PARALLEL = {"type": is_string, "disable_parallel_tool_use": is_flag}

_tool_choice = by_type(
    {
        "auto": an_object(_PARALLEL),
        "any": an_object(_PARALLEL),
        "tool": an_object({**_PARALLEL, "name": is_name}, required={"name"}),
        "none": an_object({"type": is_string}),
    }
)

_DISPLAYED = {
    "type": is_string,
    "display": nullable(is_string),
    "block_binding": nullable(is_object),
}

_thinking = by_type(
    {
        "enabled": an_object(
            {**_DISPLAYED, "budget_tokens": a_whole_number(_LEAST_BUDGET)},
            required={"budget_tokens"},
        ),
        "disabled": an_object({"type": is_string}),
        "adaptive": an_object(_DISPLAYED),
        "between_tools": is_object,
    }
)

_output_format = by_type(
    {
        "json_schema": an_object(
            {"type": is_string, "schema": is_object, "name": is_string}, required={"schema"}
        )
    }
)

check_output_config = an_object(
    {
        "effort": nullable(one_of("low", "medium", "high", "xhigh", "max")),
        "format": nullable(_output_format),
        "task_budget": nullable(is_object),
    }
)
"""The shape of `output_config`, of a request or of a system message in its conversation."""


def _user_id(value: object, path: str) -> None:
    is_string(value, path)
    if len(str(value)) > _LONGEST_USER_ID:
        reason = f"has {len(str(value))} characters; at most {_LONGEST_USER_ID} are allowed"
        raise InvalidRequest(Refusal.TOO_LONG, reason, path=path)


def _container(value: object, path: str) -> None:
    (is_word if isinstance(value, str) else is_object)(value, path)


_apart = partial(Parameter, is_passed_on=False)

_TABLE = (
    _apart("model", "a model's id, or one of the CLI's short names", is_word),
    _apart("max_tokens", "as given, above the CLI's limit too", a_whole_number(1)),
    _apart("messages", "as real turns of the conversation", anything),
    _apart("system", "one text after the CLI's; blocks are joined by a blank line", anything),
    _apart("stream", "events as they come, or one message", is_flag),
    Parameter("temperature", "as given", a_number(0, 1)),
    Parameter("top_p", "as given", a_number(0, 1)),
    Parameter("top_k", "as given", a_whole_number(0)),
    Parameter("stop_sequences", "as given", a_list(_stop_sequence)),
    Parameter(
        "thinking",
        "as given; off when missing, where the model allows that",
        _thinking,
    ),
    Parameter("tools", "as given, the API's own tools too", _tools),
    Parameter("tool_choice", "as given", _tool_choice),
    Parameter("output_config", "as given: effort, and structured output", check_output_config),
    Parameter(
        "metadata",
        "as given, instead of the CLI's own",
        an_object({"user_id": nullable(_user_id)}),
    ),
    Parameter("service_tier", "as given", one_of("auto", "standard_only")),
    Parameter("cache_control", "as given: a breakpoint at the last block", is_cache_control),
    Parameter("container", "as given", _container),
    Parameter("context_management", "as given; needs its beta", is_object),
    Parameter("mcp_servers", "as given; needs its beta", a_list(is_object)),
    Parameter("inference_geo", "as given", is_word),
    Parameter("speed", "as given", one_of("standard", "fast")),
    Parameter("user_profile_id", "as given", is_word),
    Parameter("workspace_id", "as given", is_word),
    Parameter("diagnostics", "as given", is_object),
    Parameter("safeguards", "as given; needs its beta", a_list(is_object)),
    Parameter("compaction", "the CLI does not pass on its results"),
    Parameter(
        "thread",
        "each request contains its whole conversation",
        # The official client understands this, and goes on with whole conversations.
        details={"error_code": "thread_unsupported_request", "unsupported": ["thread"]},
    ),
    Parameter("fallbacks", "the requested model is the one that answers"),
    Parameter("fallback_credit_token", "it belongs to `fallbacks`"),
    Parameter("billing_policy", "the operator's account decides"),
)  # fmt: skip

PARAMETERS: Mapping[str, Parameter] = {item.name: item for item in _TABLE}
"""Every parameter of the Messages API by its name, in the order in which a reader wants them."""


def check_names(names: Iterable[str]) -> None:
    """Raise `InvalidRequest` for the first parameter that is not honoured."""
    for name in names:
        parameter = PARAMETERS.get(name)
        if parameter is None:
            raise InvalidRequest(
                Refusal.UNKNOWN_PARAMETER,
                "no such parameter in the Messages API",
                unknown=short(name),
            )
        if not parameter.is_honoured:
            reason = f"not supported by this server: {parameter.note}"
            raise InvalidRequest(Refusal.PARAMETER, reason, path=name, details=parameter.details)


def passed_on(data: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that reach the API as they are, checked. Null counts as not given."""
    found = {}
    for name, value in data.items():
        parameter = PARAMETERS[name]
        if parameter.is_passed_on and value is not None:
            assert parameter.check is not None
            parameter.check(value, name)
            found[name] = value
    if "tool_choice" in found and not found.get("tools"):
        raise InvalidRequest(
            Refusal.TOOL_CHOICE, "there are no `tools` to choose from", path="tool_choice"
        )
    return found

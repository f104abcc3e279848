"""The parameters of OpenAI's API: honoured, without effect here, or refused, and why.

What has no effect is taken, because tools send it without a thought, and named in the response's
`x-trioproxy-notes`. What would change the answer is refused.
"""

from collections.abc import Mapping
from typing import Any, Literal

from attrs import frozen

from trioproxy.dialects.anthropic.names import is_name
from trioproxy.dialects.json_checks import (
    Check,
    a_list,
    a_number,
    a_whole_number,
    an_object,
    anything,
    is_flag,
    is_object,
    is_string,
    nullable,
    one_of,
    short,
)
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

Effect = Literal["honoured", "without effect", "refused"]


@frozen
class OpenAIParameter:
    """One parameter: what becomes of it, its shape, and `unless` it is what changes nothing."""

    name: str
    effect: Effect
    note: str
    check: Check = anything
    unless: tuple[Any, ...] = ()


EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")
"""How hard a model may be asked to think; Claude has all but `minimal` and `ultra`."""

_EFFORT_NOTE = "`none` is no thinking, `minimal` is low, `ultra` is max"


def _honoured(name: str, note: str, check: Check = anything) -> OpenAIParameter:
    return OpenAIParameter(name, "honoured", note, check)


def _idle(
    name: str, note: str, check: Check = anything, *, unless: tuple[Any, ...] = ()
) -> OpenAIParameter:
    return OpenAIParameter(name, "without effect", note, check, unless)


def _refused(name: str, note: str, *unless: object) -> OpenAIParameter:
    return OpenAIParameter(name, "refused", note, unless=unless)


_WHERE_ALLOWED = "where `[openai] web_search` is on"

_STREAM_OPTIONS = an_object({"include_usage": is_flag, "include_obfuscation": is_flag})

_CACHE_OPTIONS = an_object(
    {
        "mode": nullable(one_of("implicit", "explicit")),
        "ttl": nullable(one_of("30m", "12h")),
        "comparison_response_id": anything,
        "prewarm": nullable(is_flag),
    }
)

_BOTH = (
    _honoured("model", "a Claude model, or a name that `[openai] models` maps to one", is_name),
    _honoured("stream", "events as they come, or one answer", is_flag),
    _honoured("stream_options", "`include_usage`", _STREAM_OPTIONS),
    _honoured("temperature", "0 to 1 as given; above 1 as 1, Claude's highest", a_number(0, 2)),
    _honoured("top_p", "as given", a_number(0, 1)),
    _honoured("parallel_tool_calls", "as given", is_flag),
    _honoured("user", "as `metadata.user_id`", is_string),
    _honoured("safety_identifier", "as `metadata.user_id`", is_string),
    _idle("metadata", "nothing is stored", is_object, unless=({},)),
    _idle("service_tier", "the operator's account decides", is_string, unless=("auto", "default")),
    _honoured(
        "prompt_cache_key", "a cache breakpoint behind the last message: more will come", is_string
    ),
    _honoured(
        "prompt_cache_options",
        "`mode`: `explicit` for no cache breakpoint but the caller's own; `ttl`: `12h` as an hour",
        _CACHE_OPTIONS,
    ),
    _idle("prompt_cache_retention", "Claude's cache has its own lifetime"),
    _idle("moderation", "nothing is moderated here"),
    _refused("top_logprobs", "Claude has no log probabilities", 0),
)

_CHAT = (
    _honoured("tools", "functions and custom tools"),
    _honoured("tool_choice", "`auto`, `none`, `required`, a tool, or a list of allowed ones"),
    _honoured("messages", "as real turns; system and developer messages move to the top"),
    _honoured(
        "max_completion_tokens", "as given; if missing, the model's maximum", a_whole_number(1)
    ),
    _honoured("max_tokens", "as `max_completion_tokens`", a_whole_number(1)),
    _honoured("stop", "a string or a list"),
    _honoured("response_format", "`json_schema`; `json_object` as an instruction"),
    _honoured("reasoning_effort", f"as effort; {_EFFORT_NOTE}", one_of(*EFFORTS)),
    _idle("seed", "Claude has none"),
    _idle("store", "nothing is stored", is_flag, unless=(False,)),
    _idle("verbosity", "Claude has none", unless=("medium",)),
    _refused("n", "there is one answer", 1),
    _refused("logprobs", "Claude has no log probabilities", False),
    _refused("logit_bias", "Claude has none", {}),
    _refused("presence_penalty", "Claude has none", 0),
    _refused("frequency_penalty", "Claude has none", 0),
    _refused("functions", "use `tools`", []),
    _refused("function_call", "use `tool_choice`"),
    _refused("audio", "Claude has none"),
    _refused("modalities", "Claude answers with text", ["text"]),
    _refused("prediction", "Claude has none"),
    _honoured("web_search_options", f"Claude's own search, {_WHERE_ALLOWED}", is_object),
)

_RESPONSES = (
    _honoured(
        "tools",
        "functions, namespaces, `custom`, `local_shell`, `tool_search` by the client; "
        f"`web_search` {_WHERE_ALLOWED}; others are left out, with a note",
    ),
    _honoured(
        "tool_choice", "`auto`, `none`, `required`, one of these tools, or a list of allowed ones"
    ),
    _honoured("input", "the whole conversation, each time"),
    _honoured("instructions", "as the system prompt", is_string),
    _honoured("max_output_tokens", "as given; if missing, the model's maximum", a_whole_number(1)),
    _honoured("text", "`format`: `json_schema`; `json_object` as an instruction", is_object),
    _honoured("reasoning", f"`effort`; {_EFFORT_NOTE}", is_object),
    _honoured(
        "include",
        "`reasoning.encrypted_content`, `web_search_call.action.sources`; nothing else",
        a_list(is_string),
    ),
    _idle("store", "nothing is stored", is_flag, unless=(False,)),
    _idle("truncation", "nothing is truncated", unless=("disabled", "auto")),
    _honoured("max_tool_calls", "maximum web searches", a_whole_number(1)),
    _idle("client_metadata", "it is not for the model", is_object),
    _idle("access_programs", "they are OpenAI's"),
    _idle("background_options", "there is no background"),
    _idle("image", "images are not compressed"),
    _refused("previous_response_id", "nothing is stored: send the whole `input` each time"),
    _refused("conversation", "nothing is stored: send the whole `input` each time"),
    _refused("prompt", "there are no stored prompts: send `instructions`"),
    _refused("background", "nothing is stored: wait for the answer, or stream it", False),
    _refused("context_management", "send what the model should see"),
    _refused("multi_agent", "there are no agents here", {"enabled": False}),
)

CHAT: Mapping[str, OpenAIParameter] = {item.name: item for item in (*_CHAT, *_BOTH)}
"""The parameters of a chat completion by name."""

RESPONSES: Mapping[str, OpenAIParameter] = {item.name: item for item in (*_RESPONSES, *_BOTH)}
"""The parameters of a response by name."""

COMPACT: Mapping[str, OpenAIParameter] = {
    item.name: item for item in RESPONSES.values() if item.name not in {"stream", "stream_options"}
}
"""The parameters of a request to compact a conversation, by name."""


def _is_same(value: object, usual: object) -> bool:
    return value == usual and isinstance(value, bool) == isinstance(usual, bool)


def checked(
    data: Mapping[str, Any], table: Mapping[str, OpenAIParameter]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What is honoured, and notes of what has no effect. Null counts as not given.

    Raises `InvalidRequest` for what is refused, unknown or of the wrong shape.
    """
    honoured: dict[str, Any] = {}
    notes = []
    for name, value in data.items():
        first = table.get(name)
        if first is None:
            raise InvalidRequest(
                Refusal.UNKNOWN_PARAMETER, "no such parameter", unknown=short(name)
            )
        if value is None or any(_is_same(value, usual) for usual in first.unless):
            continue
        if first.effect == "refused":
            raise InvalidRequest(
                Refusal.PARAMETER, f"not supported by this server: {first.note}", path=name
            )
        first.check(value, name)
        if first.effect == "honoured":
            honoured[name] = value
        else:
            notes.append(f"{name} without effect: {first.note}")
    return honoured, tuple(notes)

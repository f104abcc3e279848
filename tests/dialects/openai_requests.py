"""Requests in OpenAI's dialect, as their parsers read them."""

import json
from typing import Any

from trioproxy.dialects.anthropic.request import RequestDefaults
from trioproxy.dialects.openai.chat import ChatRequest, parse_chat
from trioproxy.dialects.openai.response_request import (
    ResponsesRequest,
    parse_compact,
    parse_responses,
)

HI = {"role": "user", "content": "hi"}


def chat(*, can_search: bool = False, **fields: Any) -> ChatRequest:
    data = json.dumps({"model": "haiku", "messages": [HI], **fields}).encode()
    return parse_chat(data, mapped={}, rules=RequestDefaults(), can_search=can_search)


def response(*, can_search: bool = False, **fields: Any) -> ResponsesRequest:
    data = json.dumps({"model": "haiku", "input": "hi", **fields}).encode()
    return parse_responses(data, mapped={}, rules=RequestDefaults(), can_search=can_search)


def compact(**fields: Any) -> ResponsesRequest:
    data = json.dumps({"model": "haiku", "input": "hi", **fields}).encode()
    return parse_compact(data, mapped={}, rules=RequestDefaults())

"""The blocks of a conversation: what is refused, because the CLI would alter or drop it."""

import base64
import json
from typing import Any

import pytest
from attrs import frozen

from tests.messages import assistant, document, image, png, result, text, use, user
from trioproxy.dialects.anthropic.blocks import BLOCKS
from trioproxy.dialects.anthropic.messages import most_media
from trioproxy.dialects.anthropic.request import MessagesRequest, parse_request
from trioproxy.errors import InvalidRequest

HI = user("hi")


def parsed(*messages: dict[str, Any]) -> MessagesRequest:
    body = {"model": "claude-test", "max_tokens": 100, "messages": messages}
    return parse_request(json.dumps(body).encode())


@frozen
class Refused:
    """A conversation, and what is said of it."""

    messages: list[dict[str, Any]]
    sent: str


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
NO_USE = 'tool_use_id: no tool_use with the id "{}" in the message before, or it has'
NO_RESULT = 'the next message must have a tool_result for "{}"'
GIF = base64.b64encode(b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff;").decode()
TIFF = base64.b64encode(b"II*\0" + bytes(64)).decode()
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
BAD_IMAGE = "is not a readable PNG, JPEG, GIF or WebP image"


def of_data(data: str, media_type: str = "image/png") -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def answered(**fields: object) -> list[dict[str, Any]]:
    return [HI, assistant(use("t1")), user({**result("t1"), **fields})]


REFUSED = [
    # Blocks and who may say them.
    Refused([user({"type": "poem"})], "messages.0.content.0.type: must be "),
    Refused([user({"text": "a"})], "messages.0.content.0.type: Field required"),
    Refused([user(THOUGHT)], "messages.0.content.0.type: must be "),
    Refused([user(use("t1"))], "messages.0.content.0.type: must be "),
    Refused([HI, assistant(image()), HI], "messages.1.content.0.type: must be "),
    Refused([HI, assistant(result("t")), HI], "messages.1.content.0.type: must be "),
    # Tools.
    Refused([HI, assistant(use("t1")), HI], f"messages.1.content.0: {NO_RESULT.format('t1')}"),
    Refused(
        [HI, assistant("a", use("t1"), use("t2")), user(result("t1"))],
        f"messages.1.content.2: {NO_RESULT.format('t2')}",
    ),
    Refused(
        [HI, assistant(use("t1")), HI, assistant("so"), user(result("t1"))],
        f"messages.1.content.0: {NO_RESULT.format('t1')}",
    ),
    Refused([user(result("t1"))], f"messages.0.content.0.{NO_USE.format('t1')}"),
    Refused(
        [HI, assistant("a"), user("b", result("t1"))],
        f"messages.2.content.1.{NO_USE.format('t1')}",
    ),
    Refused(
        [HI, assistant(use("t1")), user(result("t1"), result("t1"))],
        f"messages.2.content.1.{NO_USE.format('t1')}",
    ),
    Refused(
        [HI, assistant(use("t1"), use("t1")), user(result("t1"))],
        'messages.1.content.1.id: duplicate tool_use id "t1"',
    ),
    Refused(
        [HI, assistant(use("t1")), user(result("t1")), assistant(use("t1")), user(result("t1"))],
        'messages.3.content.0.id: duplicate tool_use id "t1"',
    ),
    Refused(
        [HI, assistant({**use("t1"), "input": "x"}), user(result("t1"))],
        "messages.1.content.0.input: must be an object, not a string",
    ),
    Refused(
        [HI, assistant({**use("t1"), "caller": {"type": "code_execution"}}), HI],
        "messages.1.content.0.caller: the CLI removes a tool's caller",
    ),
    Refused(
        [HI, assistant({**use("t1"), "toolset_name": "x"}), HI],
        "messages.1.content.0.toolset_name: the CLI removes it",
    ),
    Refused([HI, assistant({**use("t1"), "extra": 1}), HI], "messages.1.content.0.extra: no such"),
    Refused(answered(content=1), "messages.2.content.0.content: must be a list, not a number"),
    Refused(answered(content=[1]), "messages.2.content.0.content.0: must be an object"),
    Refused(
        answered(content=[{"type": "video"}]), "messages.2.content.0.content.0.type: must be "
    ),
    Refused(
        answered(content=[text("a"), image()], is_error=True),
        "messages.2.content.0.content.1.type: an error result may contain only text",
    ),
    Refused(answered(is_error="no"), "messages.2.content.0.is_error: must be true or false"),
    # Thoughts.
    Refused(
        [HI, assistant({"type": "thinking", "thinking": "a"}), HI],
        "messages.1.content.0.signature: Field required",
    ),
    # Images and documents.
    Refused([user({"type": "image"})], "messages.0.content.0.source: Field required"),
    Refused(
        [user({"type": "image", "source": {"type": "url"}})],
        "messages.0.content.0.source.url: Field required",
    ),
    Refused([user(of_data(TIFF, "image/tiff"))], f"messages.0.content.0.source.data: {BAD_IMAGE}"),
    Refused([user({**image(), "title": "x"})], "messages.0.content.0.title: no such field here"),
    Refused(
        answered(content=[of_data(png(1) + "A" * 5_300_000)]),
        "messages.2.content.0.content.0.source.data: must have at most 5242880 characters",
    ),
    # What the CLI would drop.
    Refused([user(*[image()] * 101)], "messages: have 101 images and documents; the CLI"),
    Refused(
        [user(*[image()] * 60), assistant(use("t1")), user(result("t1", [image()] * 41))],
        "messages: have 101 images and documents",
    ),
    Refused(
        [HI, assistant(SEARCH, "a"), HI],
        'messages.1.content: the CLI drops a server_tool_use without its result, "s1"',
    ),
    Refused([HI, assistant({**SEARCH, "id": 1}, "a"), HI], "messages.1.content.0.id: must be a"),
    Refused(
        [HI, assistant(SEARCH, {"type": "web_search_tool_result", "tool_use_id": []}), HI],
        "messages.1.content: the CLI drops a server_tool_use without its result",
    ),
    Refused([user(of_data("AAAA"))], f"messages.0.content.0.source.data: {BAD_IMAGE}"),
    Refused([user(of_data("é" * 8))], f"messages.0.content.0.source.data: {BAD_IMAGE}"),
    Refused([user(of_data("!"))], f"messages.0.content.0.source.data: {BAD_IMAGE}"),
    Refused([user(of_data(""))], "messages.0.content.0.source.data: must not be empty"),
    Refused(
        [user(document(type="base64", data="x"))],
        "messages.0.content.0.source.media_type: Field required",
    ),
]


@pytest.mark.parametrize("refused", REFUSED, ids=lambda case: case.sent[:80])
def test_what_would_not_arrive_is_refused_with_where(refused: Refused) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed(*refused.messages)
    assert caught.value.message.startswith(refused.sent)
    assert caught.value.path == refused.sent.partition(":")[0]


def test_every_image_that_can_be_read_is_taken() -> None:
    wrapped = "\n".join([png(10)[:40], png(10)[40:]])
    for data in (png(1), png(1932), wrapped):
        assert parsed(user(of_data(data))).notes == ()
    assert parsed(user(of_data(GIF, "image/gif"))).notes == ()


def test_an_image_that_the_cli_makes_smaller_is_noted() -> None:
    assert parsed(user(image(1933), image(10))).notes == ("images that the CLI may scale down",)
    behind = base64.b64decode(png(10)) + bytes(500_000)
    asked = parsed(user(of_data(base64.b64encode(behind).decode())))
    assert asked.notes == ("images that the CLI may scale down",)
    assert parsed(HI, assistant(use("t1")), user(result("t1", [image(3000)]))).notes == ()


def test_a_media_type_that_the_cli_corrects_is_noted() -> None:
    assert parsed(user(of_data(GIF))).notes == ("media types of images corrected by the CLI",)


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("claude-haiku-4-5", 100),
        ("claude-haiku-4-5-20251001", 100),
        ("claude-sonnet-4-20250514", 100),
        ("claude-3-5-haiku-20241022", 100),
        ("claude-of-tomorrow", 100),
        ("claude-opus-4-8", 600),
        ("claude-opus-5-5[1m]", 600),
        ("us.anthropic.claude-opus-4-8-v1:0", 600),
        ("anthropic/claude-sonnet-5.5", 600),
        ("claude-haiku-10", 600),
        ("opus[1m]", 600),
        ("haiku", 600),
    ],
)
def test_how_many_images_go_by_the_models_version(model: str, most: int) -> None:
    assert most_media(model) == most


def test_the_tables_blocks_are_the_apis() -> None:
    assert {"text", "image", "document", "tool_result"} <= set(BLOCKS["user"])
    assert {"text", "thinking", "redacted_thinking", "tool_use"} <= set(BLOCKS["assistant"])

"""What the CLI prints of the API's errors, and whose they are."""

import json

import pytest
from attrs import frozen

from trioproxy.claude.failure import in_its_own_words, refusals
from trioproxy.errors import ApiError


def printed(
    status: int, message: str, upstream_id: str | None = "req_1", tries: str = "1/1"
) -> str:
    body: dict[str, object] = {"type": "error", "error": {"type": "oh", "message": message}}
    if upstream_id is not None:
        body["request_id"] = upstream_id
    text = f"API error (attempt {tries}): {status} {status} {json.dumps(body)}"
    return f"2026-11-21T03:14:08.538Z [ERROR] {text}\n"


GENERIC = ApiError(404, "not_found_error", "There's an issue with the selected model.")


@frozen
class Words:
    """What was printed, and the message that is the error's, if any."""

    name: str
    printed: str
    upstream_id: str | None
    message: str | None


WORDS = [
    Words("its own", printed(404, "model: x"), "req_1", "model: x"),
    Words("another request's", printed(404, "model: x", "req_0"), "req_1", None),
    Words("of no request", printed(404, "model: x", None), "req_1", "model: x"),
    Words("no id is known", printed(404, "model: x", "req_0"), None, "model: x"),
    Words("another status", printed(400, "x"), "req_1", None),
    Words("the last of several", printed(404, "a") + printed(404, "b"), "req_1", "b"),
    Words(
        "its own before another's", printed(404, "a") + printed(404, "b", "req_2"), "req_1", "a"
    ),
    Words("nothing", "", "req_1", None),
    Words("what is cut off", printed(404, "model: x")[:-9], "req_1", None),
    Words("no error of the API's", "API error (attempt 1/1): 404 404 {}", "req_1", None),
    Words("odd characters", printed(404, 'a "b" {c} \u2028 é'), "req_1", 'a "b" {c} \u2028 é'),
]


@pytest.mark.parametrize("words", WORDS, ids=lambda case: case.name)
def test_an_error_in_its_own_words(words: Words) -> None:
    found = in_its_own_words(GENERIC, words.upstream_id, words.printed)
    assert (found and found.message) == words.message
    assert found is None or (found.status, found.type) == (404, "oh")


def test_what_is_tried_again_is_no_refusal() -> None:
    text = printed(529, "a", tries="1/3") + printed(529, "b", tries="2/3")
    assert list(refusals(text)) == []
    found = [
        (error.message, name) for error, name in refusals(text + printed(529, "c", tries="3/3"))
    ]
    assert found == [("c", "req_1")]

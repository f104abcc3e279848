import inspect
import re
from pathlib import Path

import pytest

import trioproxy
from trioproxy import errors
from trioproxy.dialects.anthropic.errors import error_body
from trioproxy.dialects.openai import errors as openai
from trioproxy.errors import (
    ApiError,
    CallerError,
    CapacityError,
    CliError,
    CliFailed,
    InvalidRequest,
    TrioproxyError,
)
from trioproxy.refusals import Category, Refusal

CLASSES = [
    item
    for _, item in inspect.getmembers(errors, inspect.isclass)
    if item.__module__ == errors.__name__
]
LEAVES = [item for item in CLASSES if not item.__subclasses__()]

# https://docs.anthropic.com/en/api/errors, and 408 and 504, whose type it gives to a timeout.
STATUSES = {
    "invalid_request_error": {400, 405, 415},
    "authentication_error": {401},
    "permission_error": {403},
    "not_found_error": {404},
    "request_too_large": {413, 431},
    "rate_limit_error": {429},
    "api_error": {500, 501, 502, 503},
    "timeout_error": {408, 504},
    "overloaded_error": {503, 529},
}
every_class = pytest.mark.parametrize("error_class", CLASSES, ids=lambda case: case.__name__)


def made(error_class: type[TrioproxyError]) -> TrioproxyError:
    if error_class is ApiError:
        return ApiError(529, "overloaded_error", "Oh.")
    return (
        InvalidRequest(Refusal.EMPTY, "Oh.")
        if error_class is InvalidRequest
        else error_class("Oh.")
    )


@every_class
def test_every_class_is_one_of_ours(error_class: type[Exception]) -> None:
    assert issubclass(error_class, TrioproxyError)


@every_class
def test_every_error_has_a_type_of_the_apis_and_a_status_that_goes_with_it(
    error_class: type[TrioproxyError],
) -> None:
    assert made(error_class).status in STATUSES[made(error_class).type]


@every_class
def test_every_error_says_what_it_was_told(error_class: type[TrioproxyError]) -> None:
    error = made(error_class)
    assert error.message == error.log_message == str(error) == "Oh."


@pytest.mark.parametrize(
    "error_class",
    [item for item in CLASSES if issubclass(item, CliError)],
    ids=lambda case: case.__name__,
)
def test_what_the_cli_printed_is_for_the_log_alone(error_class: type[CliError]) -> None:
    error = error_class("It ended.", detail="/home/operator: no such file")
    assert error.message == str(error) == "It ended."
    assert error.log_message == "It ended. /home/operator: no such file"
    assert "operator" not in repr(error_body(error, "req_1"))


def test_of_what_is_too_long_for_the_log_its_two_ends_are_there() -> None:
    error = CliFailed("It ended.", detail="x" * 1_000_000 + " at last: no such file")
    assert error.log_message.startswith("It ended. xxx")
    assert error.log_message.endswith("xxx at last: no such file")
    assert len(error.log_message) < 4_100


@every_class
def test_a_status_blames_the_caller_only_for_what_it_can_change(
    error_class: type[TrioproxyError],
) -> None:
    if made(error_class).status < 500:
        assert issubclass(error_class, (CallerError, CapacityError))
    assert not issubclass(error_class, CallerError) or made(error_class).status < 500


@every_class
def test_an_error_that_another_moment_would_mend_says_when(
    error_class: type[TrioproxyError],
) -> None:
    after = made(error_class).retry_after
    if issubclass(error_class, CapacityError) or made(error_class).status in {429, 503}:
        assert after in {1, 5}
    else:
        assert after is None


def test_an_invalid_request_says_where() -> None:
    error = InvalidRequest(Refusal.WRONG_TYPE, "must be a list", path="messages.0")
    assert (error.path, error.message) == ("messages.0", "messages.0: must be a list")
    assert InvalidRequest(Refusal.NOT_JSON, "no JSON").path == ""


def test_an_api_error_is_what_the_api_said() -> None:
    first, other = ApiError(429, "rate_limit_error", "Slow."), ApiError(400, "x_error", "Bad.")
    assert (first.status, first.type, first.message) == (429, "rate_limit_error", "Slow.")
    assert (other.status, other.type, other.message) == (400, "x_error", "Bad.")


# -- The tree in the docstring ------------------------------------------------------------------

LINE = re.compile(r"^    (?P<indent>[| `-]*)(?P<name>\w+)(?P<rest>.*)$")


def drawn() -> dict[str, tuple[str | None, str]]:
    """Each class in the drawing with the one that it hangs on and what stands beside it."""
    assert errors.__doc__ is not None
    tree = errors.__doc__.partition("\n\n")[2].partition("\n\n")[0]
    found: dict[str, tuple[str | None, str]] = {}
    above: list[str] = []
    for line in tree.splitlines():
        match = LINE.match(line)
        assert match, line
        depth = len(match["indent"]) // 4
        del above[depth:]
        found[match["name"]] = (above[-1] if above else None, match["rest"].strip())
        above.append(match["name"])
    return found


def test_the_drawing_has_the_classes_that_there_are() -> None:
    assert drawn().keys() == {item.__name__ for item in CLASSES}


@every_class
def test_the_drawing_hangs_a_class_where_it_belongs(error_class: type[TrioproxyError]) -> None:
    parent = (
        None
        if error_class is TrioproxyError
        else error_class.__base__.__name__
        if error_class.__base__
        else ""
    )
    assert drawn()[error_class.__name__][0] == parent


@pytest.mark.parametrize(
    "error_class",
    [item for item in LEAVES if item is not ApiError],
    ids=lambda case: case.__name__,
)
def test_the_drawing_tells_status_and_type(error_class: type[TrioproxyError]) -> None:
    assert drawn()[error_class.__name__][1].endswith(f"{error_class.status} {error_class.type}")


def test_every_class_is_explained() -> None:
    assert [item.__name__ for item in CLASSES if not item.__doc__] == []


@every_class
def test_every_error_has_openais_shape(error_class: type[TrioproxyError]) -> None:
    error = made(error_class)
    fields = openai.error_body(error, "req_1")["error"]
    assert fields["message"] == "Oh."
    is_ours = error.status >= 500
    assert (fields["type"] == "server_error") is is_ours
    assert fields["type"] in {"server_error", "invalid_request_error", "rate_limit_error"}
    assert fields["code"] is None or fields["code"].isidentifier()


# -- Why a request is refused ---------------------------------------------------------------------


def test_each_reason_has_a_label_fit_for_a_metric_and_what_is_ours_says_what_to_do() -> None:
    for refusal in Refusal:
        assert re.fullmatch(r"[a-z_]+", refusal.value)
        assert refusal.category in Category
        assert bool(refusal.advice) or refusal.category is not Category.CLI


def test_every_error_of_a_callers_has_a_reason() -> None:
    for kind in CLASSES:
        if issubclass(kind, CallerError) and kind is not CallerError:
            assert isinstance(made(kind).refusal, Refusal)  # type: ignore[attr-defined]


def test_no_reason_is_without_a_refusal() -> None:
    """A member that nothing raises any more is a promise that nobody keeps."""
    package = Path(trioproxy.__file__).parent
    used = "".join(file.read_text() for file in package.rglob("*.py"))
    assert [item.name for item in Refusal if f"Refusal.{item.name}" not in used] == []


def test_a_reason_of_this_servers_says_what_to_do_and_one_of_the_apis_is_its_own_words() -> None:
    here = InvalidRequest(Refusal.OWN_TOOLS, "this server runs tools", path="tools")
    api = InvalidRequest(Refusal.EMPTY, "must not be empty", path="messages")
    assert here.message == f"tools: this server runs tools. {Refusal.OWN_TOOLS.advice}"
    assert api.message == "messages: must not be empty"

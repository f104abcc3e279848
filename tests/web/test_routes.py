"""The table of routes: what a path is, for whom, and in whose dialect."""

import pytest

from trioproxy.web.dialect import is_openai
from trioproxy.web.routes import table
from trioproxy.web.routes.table import ROUTES, Audience

OPERATORS = ("/", "/health", "/health/ready", "/metrics", "/status/events", "/pool/stats")
CALLERS = ("/v1/messages", "/proxy/api/health", "/v1/models", "//", "/healthy", "/statusx")


def test_routes_have_each_path_once() -> None:
    assert len({route.path for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("path", OPERATORS)
def test_audience_of_what_tells_of_the_server(path: str) -> None:
    assert table.audience(path) in {Audience.OPERATOR, Audience.PAGE}


@pytest.mark.parametrize("path", CALLERS)
def test_audience_of_everything_else_is_the_caller(path: str) -> None:
    assert table.audience(path) is Audience.CALLER


def test_audience_public_is_only_the_sign_of_life() -> None:
    public = [route.path for route in ROUTES if route.audience is Audience.PUBLIC]
    assert public == ["/health/live"]


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/v1/messages", "/v1/messages"),
        ("/v1/models/claude-x", "/v1/models/{id}"),
        ("/openai/v1/models/a/b", "/openai/v1/models/{id}"),
        ("/v1/models/{id}", "/v1/models/{id}"),
        ("/v1/models/", "other"),
        ("/v1/messages/", "other"),
        ("/", "/"),
        ("", "other"),
    ],
)
def test_label_has_no_text_of_a_caller(path: str, label: str) -> None:
    assert table.label(path) == label


VERSION = [(b"Anthropic-Version", b"2023-06-01")]


@pytest.mark.parametrize(
    ("path", "without", "with_version"),
    [
        ("/v1/messages", False, False),
        ("/v1/messages/batches", False, False),
        ("/v1/capabilities", False, False),
        ("/v1/chat/completions", True, True),
        ("/v1/responses/resp_1", True, True),
        ("/v1/models", True, False),
        ("/v1/models/x", True, False),
        ("/v1/embeddings", True, False),
        ("/openai/v1/models", True, True),
        ("/openai/v1/embeddings", True, True),
        ("/anthropic/v1/models", False, False),
        ("/anthropic/v1/nothing", False, False),
        ("/pool/stats", False, False),
        ("/nothing", False, False),
        ("/", False, False),
    ],
)
def test_dialect_of_a_path(path: str, *, without: bool, with_version: bool) -> None:
    assert (is_openai(path, []), is_openai(path, VERSION)) == (without, with_version)

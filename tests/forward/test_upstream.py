"""Where a path leads, and what leads nowhere."""

from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trioproxy.errors import InvalidRequest
from trioproxy.forward.upstream import check_name, read_upstream, split

API = read_upstream("api", "https://api.example")
BASED = read_upstream("based", "http://127.0.0.1:81/v1/")


@pytest.mark.parametrize(
    ("rest", "query", "target"),
    [
        (b"", b"", b"/"),
        (b"/", b"", b"/"),
        (b"/a/b", b"", b"/a/b"),
        (b"/a/", b"x=1&y=%2F..", b"/a/?x=1&y=%2F.."),
        (b"/a%20b/%41", b"", b"/a%20b/%41"),
        (b"/a//b", b"", b"/a//b"),
        (b"/.well-known/x", b"", b"/.well-known/x"),
        (b"/a..b/...", b"", b"/a..b/..."),
        (b"/see/https://other.example/", b"", b"/see/https://other.example/"),
        (b"/100%25", b"", b"/100%25"),
        (b"/%zz", b"", b"/%zz"),
        (b"/a|{b}\"'", b"[]", b"/a|{b}\"'?[]"),
        (b"", b"?", b"/??"),
    ],
)
def test_a_target_is_the_path_byte_for_byte(rest: bytes, query: bytes, target: bytes) -> None:
    assert API.target(rest, query) == target


def test_a_target_stands_behind_the_upstreams_own_path() -> None:
    assert BASED.target(b"", b"") == b"/v1"
    assert BASED.target(b"/", b"q") == b"/v1/?q"
    assert BASED.target(b"/messages", b"") == b"/v1/messages"


ESCAPES = [
    "/..", "/../x", "/a/../b", "/a/..", "/.", "/./a", "/a/.",
    "/%2e%2e/x", "/%2E./x", "/.%2e/x", "/%252e%252e/x", "/%25252e%25252e/x",
    "/..%2fx", "/a%2f..%2fb", "/a%2f%2e%2e", "/..;/x", "/..;v=1/x", "/%2e%2e%3b/x",
    "/..\\x", "/..%5cx", "/a%5c..%5cb", "/\\evil.example", "/%5Cevil.example",
    "//evil.example/", "/%2fevil.example", "/%2f%2fevil.example", "/%252fevil.example",
    "/http://evil.example/", "/https:/evil.example", "/HTTP:%2f%2fevil.example/", "//x:/",
    "/a%00b", "/a%0d%0aX-Evil:%201", "/a%0ab", "/a%7f", "/a#b", "/a b", "/a\tb", "/a\r\nb", "/é",
    "/" + "%25" * 3 + "2525252e", "/a/..%3fx", "/a/..%23x", "/..%20/x", "/%c0%ae%c0%ae/x",
    "/%ef%bc%8e%ef%bc%8e/x",
]  # fmt: skip


@pytest.mark.parametrize("rest", ESCAPES)
def test_an_escape_is_refused(rest: str) -> None:
    with pytest.raises(InvalidRequest, match="path: "):
        API.target(rest.encode(), b"")
    with pytest.raises(InvalidRequest, match="path: "):
        BASED.target(rest.encode(), b"")


@pytest.mark.parametrize("query", [b"a b", b"a#b", b"a\r\nb", b"\xff", b"\x00"])
def test_a_query_with_what_no_target_may_have_is_refused(query: bytes) -> None:
    with pytest.raises(InvalidRequest, match="path: "):
        API.target(b"/", query)


@given(st.text(alphabet="./%25eEfFcC\\;:ahtp#? \r\n", max_size=30))
@example("/%2%65")
def test_whatever_is_taken_stays_below_the_upstreams_path(rest: str) -> None:
    path = ("/" + rest).encode()
    try:
        target = BASED.target(path, b"")
    except InvalidRequest:
        return
    assert target == b"/v1" + path
    decoded = target.decode()
    for _ in range(10):
        assert not {".", ".."} & {part.partition(";")[0] for part in decoded.split("/")}
        assert not decoded.removeprefix("/v1").startswith("//")
        assert "\\" not in decoded
        assert decoded.isprintable()
        decoded = unquote(decoded)


def test_a_path_is_split_at_its_name() -> None:
    assert split(b"/proxy/api/v1/x") == ("api", b"/v1/x")
    assert split(b"/proxy/api") == ("api", b"")
    assert split(b"/proxy/") == ("", b"")
    assert split(b"/proxy//evil.example/") == ("", b"/evil.example/")
    for no_name in (b"%61pi", b"api@evil.example", b"count tokens", b"..", b"\xff"):
        assert split(b"/proxy/" + no_name + b"/x") == ("", b"/x")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.anthropic.com", "api.anthropic.com"),
        ("http://127.0.0.1:8000/", "127.0.0.1:8000"),
        ("http://[::1]:8000/x", "[::1]:8000"),
        ("HTTPS://Example.COM", "example.com"),
    ],
)
def test_a_url_that_is_taken(url: str, host: str) -> None:
    upstream = read_upstream("name", url)
    assert (upstream.host, upstream.scheme) == (host, url.partition(":")[0].lower())


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "//example.com", "ftp://example.com", "http://", "http:///x",
        "http://user:hunter2@example.com", "http://example.com?x", "http://example.com#x",
        "http://example.com:99999", "http://example.com:x", "http://example.com:0",
        "http://exa mple.com", "http://example.com/a\nb", "http://exämple.com", "http://[::1",
        "http://example.com/a b", "http://h?", "http://h#", "http://h/a/../b", "http://h/%0d%0a",
        "http://h/a\\b",
    ],
)  # fmt: skip
def test_a_url_that_is_not(url: str) -> None:
    with pytest.raises(ValueError, match=r"must be http\(s\)://host|^path: ") as caught:
        read_upstream("name", url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "..", ".a", "ä", "a%", "a@b", "count tokens"])
def test_a_name_that_no_path_can_say(name: str) -> None:
    with pytest.raises(ValueError, match="a name may contain letters"):
        check_name(name)


@pytest.mark.parametrize("name", ["api", "a.b-c_d", "1"])
def test_a_name(name: str) -> None:
    check_name(name)

"""Who may ask: every case of a request's head."""

import base64
from typing import Any

import pytest

from trioproxy.api_keys import ApiKeys, check_stored, hashed, new_token
from trioproxy.errors import Forbidden, InvalidRequest, Unauthorized
from trioproxy.settings import AuthSettings, ServerSettings
from trioproxy.web.gate.access_policy import AccessPolicy, Caller

TOKEN = new_token()
OTHER = new_token()


def scope(
    *headers: tuple[str, str],
    method: str = "POST",
    path: str = "/v1/messages",
    server: tuple[str, int | None] | None = ("127.0.0.1", 8000),
    host: str | None = "127.0.0.1:8000",
) -> dict[str, Any]:
    body = [*([("host", host)] if host is not None else []), *headers]
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in body]
    raw = path.encode()
    return {"method": method, "raw_path": raw, "path": path, "headers": encoded, "server": server}


def rules(auth: AuthSettings | None = None, **server: Any) -> AccessPolicy:
    return AccessPolicy.of(ServerSettings(**server), auth or AuthSettings())


GUARDED = rules(AuthSettings(token=TOKEN, tokens={"alice": hashed(OTHER), "bob": "b" * 20}))


# Tokens.


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (("authorization", f"Bearer {TOKEN}"), "default"),
        (("authorization", f"bearer  {TOKEN} "), "default"),
        (("x-api-key", OTHER), "alice"),
        (("x-api-key", "b" * 20), "bob"),
        (("authorization", "Basic " + base64.b64encode(f"me:{OTHER}".encode()).decode()), "alice"),
    ],
)
def test_a_token_is_known_by_its_name_and_goes_no_further(
    header: tuple[str, str], name: str
) -> None:
    asked = scope(header, ("x-other", "1"))
    credential_headers = frozenset({(header[0].encode(), header[1].encode())})
    assert GUARDED.admit(asked) == Caller(name, credential_headers)


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("authorization", "Bearer"),),
        (("authorization", "Bearer x"),),
        (("authorization", TOKEN),),
        (("authorization", f"Digest {TOKEN}"),),
        (("authorization", "Basic ===="),),
        (("authorization", "Basic /w=="),),
        (("authorization", "Basic \xe9"),),
        (("x-api-key", ""),),
        (("x-api-key", TOKEN[:-1]),),
        (("x-api-key", hashed(OTHER)),),
        (("cookie", f"token={TOKEN}"),),
    ],
)
def test_no_token_is_no_admission(headers: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(Unauthorized, match="Authentication required") as caught:
        GUARDED.admit(scope(*headers))
    assert caught.value.status == 401
    assert TOKEN not in str(caught.value)


def test_an_upstreams_key_beside_a_token_stays() -> None:
    caller = GUARDED.admit(
        scope(("x-api-key", "upstream's"), ("authorization", f"Bearer {TOKEN}"))
    )
    assert caller.credential_headers == {(b"authorization", f"Bearer {TOKEN}".encode())}


def test_no_token_goes_on_however_often_it_is_said() -> None:
    body = (
        ("x-api-key", OTHER),
        ("authorization", f"Bearer {OTHER}"),
        ("authorization", f"bearer  {TOKEN}"),
        ("authorization", "Bearer upstream's"),
    )
    caller = GUARDED.admit(scope(*body))
    assert caller.token == "alice"
    assert {value.decode() for _, value in caller.credential_headers} == {
        item for _, item in body[:3]
    }


@pytest.mark.parametrize("target", ["?", "*", "http://[x]/", "evil.example:443", ""])
def test_a_target_that_is_no_path(target: str) -> None:
    with pytest.raises(InvalidRequest, match="must begin with /"):
        rules().admit({**scope(), "raw_path": target.encode()})


def test_only_whether_it_lives_is_told_without_a_token() -> None:
    assert GUARDED.admit(scope(path="/health/live")).token == ""
    for path in ("/health", "/health/live/", "/health/live%2f", "/", "/metrics", "/status"):
        with pytest.raises(Unauthorized):
            GUARDED.admit(scope(path=path))


def test_every_known_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []

    def compare(text: str, other: str) -> bool:
        compared.append((text, other))
        return text == other

    monkeypatch.setattr("trioproxy.api_keys.hmac.compare_digest", compare)
    tokens = ApiKeys.of({"a": "first", "b": "second", "c": "third"})
    assert tokens.name_of("first") == "a"
    assert len(compared) == 3
    assert all(len(item) == len(other) for item, other in compared)


def test_a_token_in_a_file() -> None:
    assert hashed("x").startswith("sha256:")
    check_stored(hashed("x"))
    check_stored(TOKEN)
    for bad in (
        "",
        "sha256:",
        "sha256:xyz",
        "a b",
        "ä",
        hashed("x").upper().replace("SHA", "sha"),
    ):
        with pytest.raises(ValueError, match="must be"):
            check_stored(bad)
    assert new_token() != new_token()


# Other machines.


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_needs_no_token(address: str) -> None:
    assert rules().admit(scope(server=(address, 1))) == Caller()


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.1"])
def test_another_does_unless_the_operator_has_said_so(address: str) -> None:
    asked = scope(server=(address, 80), host=None)
    with pytest.raises(Forbidden, match="requires no token"):
        rules().admit(asked)
    rules(expose=True).admit(asked)
    GUARDED.admit(scope(("x-api-key", TOKEN), server=(address, 80)))


def test_a_unix_socket_is_this_machine() -> None:
    rules().admit(scope(server=("/run/trioproxy.sock", None)))
    rules().admit(scope(server=None))


# Names.


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]:8000", "[::1]", "192.0.2.7:80", None],
)
def test_a_name_that_no_other_site_has(host: str | None) -> None:
    rules().admit(scope(host=host))


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"],
)
def test_a_name_that_a_site_may_have_given_this_address(host: str) -> None:
    with pytest.raises(Forbidden, match="does not answer to the host"):
        rules().admit(scope(host=host))


def test_the_names_that_the_operator_gave() -> None:
    named = rules(allowed_hosts=("My.example",))
    named.admit(scope(host="my.example:8000"))
    named.admit(scope(host="localhost"))
    with pytest.raises(Forbidden):
        named.admit(scope(host="192.0.2.7"))
    with pytest.raises(Forbidden):
        rules(AuthSettings(token=TOKEN), allowed_hosts=("my.example",)).admit(
            scope(("x-api-key", TOKEN), host="evil.example")
        )


def test_with_a_token_any_name_will_do() -> None:
    GUARDED.admit(scope(("x-api-key", TOKEN), host="anything.example"))


# Web pages.


@pytest.mark.parametrize(
    "headers",
    [
        (("origin", "https://evil.example"),),
        (("origin", "null"),),
        (("origin", "http://127.0.0.1:9000"),),
        (("origin", "http://localhost:8000"),),  # another name, another site
        (("sec-fetch-site", "cross-site"),),
        (("sec-fetch-site", "same-site"),),
        (("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")),
    ],
)
def test_a_page_of_another_site(headers: tuple[tuple[str, str], ...]) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        with pytest.raises(Forbidden, match="may not use"):
            rules().admit(scope(*headers, method=method))
        with pytest.raises(Forbidden, match="may not use"):
            GUARDED.admit(scope(*headers, ("x-api-key", TOKEN), method=method))


def test_this_servers_own_page() -> None:
    own = (("origin", "http://127.0.0.1:8000"), ("sec-fetch-site", "same-origin"))
    assert rules().admit(scope(*own)) == Caller()
    visit = (("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"))
    assert rules().admit(scope(*visit, method="GET", path="/")) == Caller()
    assert rules().admit(scope(("sec-fetch-site", "none"))) == Caller()


def test_a_site_that_the_operator_allows() -> None:
    allowing = rules(AuthSettings(token=TOKEN), allowed_origins=("https://app.example",))
    origin = ("origin", "https://app.example")
    caller = allowing.admit(scope(origin, ("x-api-key", TOKEN)))
    assert dict(caller.cors)[b"access-control-allow-origin"] == b"https://app.example"
    with pytest.raises(Unauthorized):
        allowing.admit(scope(origin))
    asks = ("access-control-request-method", "POST")
    preflight = allowing.admit(scope(origin, asks, method="OPTIONS"))
    assert preflight.is_preflight
    assert b"POST" in dict(preflight.cors)[b"access-control-allow-methods"]
    with pytest.raises(Forbidden):
        allowing.admit(scope(("origin", "https://app.example.evil"), asks, method="OPTIONS"))


def test_two_lengths_of_one_body() -> None:
    with pytest.raises(InvalidRequest, match="transfer-encoding: "):
        rules().admit(scope(("transfer-encoding", "chunked"), ("content-length", "3")))

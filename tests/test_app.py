"""What the app makes of settings, before it starts anything."""

import pytest

from trioproxy.app import check, open_server
from trioproxy.claude.command import FIXED_ENVIRONMENT, SET_PER_TURN
from trioproxy.settings import (
    AuthSettings,
    ClaudeSettings,
    HttpPoolSettings,
    ServerSettings,
    Settings,
    SettingsError,
)
from trioproxy.tokens import hashed


@pytest.mark.parametrize("name", sorted({*FIXED_ENVIRONMENT, *SET_PER_TURN}))
async def test_what_the_server_sets_itself_cannot_be_set_beside_it(name: str) -> None:
    settings = Settings(claude=ClaudeSettings(cli_path="/bin/true", env={name: "x"}))
    with pytest.raises(SettingsError, match=f"claude.env: {name} is what this server sets itself"):
        async with open_server(settings, {}):
            pass


WRONG = {
    "auth.token: must be printable": Settings(auth=AuthSettings(token="a b")),
    "auth.tokens: 'x': sha256: must be": Settings(auth=AuthSettings(tokens={"x": "sha256:1"})),
    "auth.tokens: a token must have a name": Settings(auth=AuthSettings(tokens={"": "a"})),
    "'default' is the name of": Settings(auth=AuthSettings(token="a", tokens={"default": "b"})),
    "two of them are the same": Settings(auth=AuthSettings(tokens={"a": "x", "b": hashed("x")})),
    "server.allowed_origins: '\\*'": Settings(server=ServerSettings(allowed_origins=("*",))),
    "server.allowed_origins: 'https://a/'": Settings(
        server=ServerSettings(allowed_origins=("https://a/",))
    ),
    "server.allowed_hosts: 'a:80'": Settings(server=ServerSettings(allowed_hosts=("a:80",))),
    "http_pool.upstreams: 'a b'": Settings(
        http_pool=HttpPoolSettings(upstreams={"a b": "http://x"})
    ),
    "http_pool.upstreams: 'a': must be http": Settings(
        http_pool=HttpPoolSettings(upstreams={"a": "x"})
    ),
    "is no URL: Invalid IPv4 address": Settings(
        http_pool=HttpPoolSettings(upstreams={"a": "http://256.256.256.256"})
    ),
    "http_pool.proxy: must be http": Settings(
        http_pool=HttpPoolSettings(proxy="http//me:hunter2@x")
    ),
}


@pytest.mark.parametrize("reason", WRONG)
def test_what_cannot_be_is_told_before_the_start(reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as caught:
        check(WRONG[reason])
    assert "hunter2" not in str(caught.value)


def test_every_upstream_that_is_wrong_is_told_at_once() -> None:
    upstreams = {"a": "x", "b": "http://y", "c": "ftp://z"}
    with pytest.raises(SettingsError) as caught:
        check(Settings(http_pool=HttpPoolSettings(upstreams=upstreams)))
    assert len(caught.value.problems) == 2

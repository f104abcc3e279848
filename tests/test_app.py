"""What the app makes of settings, before it starts anything."""

import pytest

from trioproxy.api_keys import hashed
from trioproxy.claude.command import FIXED_ENVIRONMENT, MAX_RETRIES
from trioproxy.claude.inherited import SET_PER_TURN
from trioproxy.server import open_server
from trioproxy.settings import (
    AuthSettings,
    ClaudeSettings,
    HttpPoolSettings,
    ServerSettings,
    Settings,
    SettingsError,
)
from trioproxy.validation import check


@pytest.mark.parametrize("name", sorted({*FIXED_ENVIRONMENT, *SET_PER_TURN}))
async def test_what_the_server_sets_itself_cannot_be_set_beside_it(name: str) -> None:
    settings = Settings(claude=ClaudeSettings(cli_path="/bin/true", env={name: "x"}))
    with pytest.raises(SettingsError, match=f"claude.env: {name} is set by this server"):
        async with open_server(settings, {}):
            pass


@pytest.mark.parametrize("name", sorted({*FIXED_ENVIRONMENT, *SET_PER_TURN, MAX_RETRIES}))
def test_what_the_server_sets_itself_is_not_in_pass_env(name: str) -> None:
    settings = Settings(claude=ClaudeSettings(pass_env=(name,)))
    with pytest.raises(SettingsError) as caught:
        check(settings)
    assert caught.value.problems == (f'claude.pass_env: "{name}" is set by this server',)


def test_pass_env_has_no_setting_of_this_server_and_every_problem_is_told() -> None:
    names = ("GITHUB_TOKEN", "AUTH_TOKEN", "OTEL_*", "claude__env", "*TOKEN", "x" * 99 + "=")
    with pytest.raises(SettingsError) as caught:
        check(Settings(claude=ClaudeSettings(pass_env=names)))
    a_setting = "is a setting of this server, which is not passed on"
    malformed = "must be a variable name, or a prefix followed by *"
    assert caught.value.problems == (
        f'claude.pass_env: "AUTH_TOKEN" {a_setting}; set it in `[claude] env` instead',
        f'claude.pass_env: "claude__env" {a_setting}; set it in `[claude] env` instead',
        f'claude.pass_env: "*TOKEN" {malformed}',
        f'claude.pass_env: "{"x" * 79}…" {malformed}',
    )


def test_pass_env_takes_names_and_how_they_begin() -> None:
    check(Settings(claude=ClaudeSettings(pass_env=("GITHUB_TOKEN", "OTEL_*", "*", "CLAUDE*"))))


WRONG = {
    "auth.token: must be printable": Settings(auth=AuthSettings(token="a b")),
    "auth.tokens: 'x': sha256: must be": Settings(auth=AuthSettings(tokens={"x": "sha256:1"})),
    "auth.tokens: a token must have a name": Settings(auth=AuthSettings(tokens={"": "a"})),
    "'default' is reserved for": Settings(auth=AuthSettings(token="a", tokens={"default": "b"})),
    "two tokens are equal": Settings(auth=AuthSettings(tokens={"a": "x", "b": hashed("x")})),
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
    "is not a URL: Invalid IPv4 address": Settings(
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

import json
import shlex
import tomllib
from pathlib import Path

import pytest

from tests.cli.runner import run
from trioproxy.cli.clients import CLIENTS, Server

NO_ADDRESSES = [
    "foo",
    "ftp://a",
    "http://a/'",
    "http://[::1",
    "http://[zz]",
    "http://h:abc",
    "http://h:99999",
    "http://u:secret@h",
    "http://h/?q",
]
SERVER = Server("http://127.0.0.1:8000", "t", "m")


def test_without_a_client_all_are_listed() -> None:
    ran = run("connect")
    assert (ran.status, ran.err) == (0, "")
    assert [line.split()[2] for line in ran.out.splitlines()] == list(CLIENTS)


@pytest.mark.parametrize("name", CLIENTS)
def test_every_client_has_the_address_and_the_token(name: str) -> None:
    ran = run("connect", name, "--url=https://ai.example.com/x/", "--model=claude-x")
    assert ran.status == 0
    assert "https://ai.example.com/x" in ran.out
    assert "YOUR_TOKEN" in ran.out
    assert ran.err == ""
    assert (
        "# YOUR_TOKEN stands for a token of the server; `trioproxy token` makes one.\n" in ran.out
    )
    assert "$" not in ran.out


def test_variables_are_lines_of_a_shell() -> None:
    assert (
        run("connect", "claude", "--model=claude-opus-5-5[1m]").out
        == """\
# Claude Code, in the environment:
export ANTHROPIC_BASE_URL=http://127.0.0.1:8000
export ANTHROPIC_AUTH_TOKEN=unused
export ANTHROPIC_MODEL='claude-opus-5-5[1m]'
# then: claude
"""
    )


@pytest.mark.parametrize("client", [c for c in CLIENTS.values() if c.file], ids=lambda c: c.name)
def test_a_file_is_one_of_its_kind(client: object) -> None:
    assert isinstance(client, type(CLIENTS["claude"]))
    text = client.settings(SERVER)
    if client.file.endswith(".toml"):
        assert tomllib.loads(text)
    elif client.file.endswith(".json"):
        assert json.loads(text)
    else:  # YAML, whose texts are quoted
        named = [line.partition(": ")[2] for line in text.splitlines() if SERVER.url in line]
        assert named
        assert all(value[0] == value[-1] == '"' for value in named)


@pytest.mark.parametrize(
    ("tokens", "shown"), [("", "unused"), ("auth.token = 'hush'", "YOUR_TOKEN")]
)
def test_a_token_is_named_where_the_server_has_one(tokens: str, shown: str) -> None:
    Path("my.toml").write_text(tokens)
    ran = run("connect", "openai", "--config=my.toml")
    assert f"OPENAI_API_KEY={shown}\n" in ran.out
    assert "hush" not in ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["aol"],
        *(["claude", f"--url={url}"] for url in NO_ADDRESSES),
        ["claude", "--model=a b"],
        ["claude", "--model="],
    ],
    ids=" ".join,
)
def test_what_is_wrong_is_refused(arguments: list[str]) -> None:
    ran = run("connect", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert "Error: Invalid value for" in ran.err


def test_a_command_is_one_of_a_shell() -> None:
    ran = run("connect", "cline", "--url=http://[::1]:8000/v1//", "--model=claude-opus-5-5[1m]")
    _, command, _ = ran.out.splitlines()
    assert shlex.split(command) == [
        *["cline", "auth", "-p", "openai", "-b", "http://[::1]:8000/v1"],
        *["-k", "unused", "-m", "claude-opus-5-5[1m]"],
    ]

"""The doctor's order, with a script in the place of the CLI, and nobody who answers."""

import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
from attrs import define

from tests.cli.runner import Run, run
from trioproxy.cli import doctor, round_trip
from trioproxy.cli.checks import Answered, NoAnswer
from trioproxy.settings import Settings

SECRET = "hush-hush"
GOOD = Answered(200, b'{"model": "m", "content": [{"type": "text", "text": "ready"}]}', 0.5, 0.1)
CLI = """#!/bin/sh
case $1 in
  --version) echo '2.1.329 (Claude Code)' ;;
  auth) echo '{"loggedIn": true, "authMethod": "claude.ai", "email": "who@example.com"}' ;;
esac
"""


@define
class Asked:
    """In the place of the round trip."""

    answer: Answered | NoAnswer = GOOD
    model: str = ""
    settings: Settings | None = None

    async def answered_within(
        self, deadline: float, settings: Settings, environ: Mapping[str, str], model: str
    ) -> Answered | NoAnswer:
        self.settings, self.model = settings, model
        return self.answer


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()
    monkeypatch.setattr(round_trip, "answered_within", asked.answered_within)
    return asked


def examine(*options: str, cli: str = CLI, **environ: str) -> Run:
    Path("cli").write_text(cli)
    Path("cli").chmod(0o755)
    return run("doctor", "--port=0", *options, **{"CLAUDE__CLI_PATH": "./cli", **environ})


def marks(ran: Run) -> dict[str, str]:
    """The mark of each check, by its title."""
    heads = [line.split()[:2] for line in ran.out.splitlines() if line[:1].strip()]
    return {title: mark for mark, title in heads[:-1]}


TITLES = [
    "Python",
    "packages",
    "settings",
    "port",
    "memory",
    "open",
    "CLI",
    "version",
    "login",
    "answer",
]


def test_all_is_well() -> None:
    ran = examine()
    assert (ran.status, ran.err) == (0, "")
    assert list(marks(ran)) == TITLES
    assert "FAILED" not in marks(ran).values()
    assert ran.out.endswith("\nAll checks passed.\n")


def test_it_says_beforehand_that_it_asks_the_account(asked: Asked) -> None:
    out = examine().out
    assert out.index("asking haiku for one word (a tiny request on your account)") < out.index(
        '"r'
    )
    assert asked.model == "haiku"


def test_offline_it_says_so(asked: Asked) -> None:
    out = examine("--offline").out
    assert "asking the stand-in on this machine" in out
    assert "account\n" not in out
    assert asked.settings is not None
    assert asked.settings.claude.offline


def test_the_model(asked: Asked) -> None:
    examine(CLAUDE__MODEL="opus")
    assert asked.model == "opus"
    examine("--model=sonnet", CLAUDE__MODEL="opus")
    assert asked.model == "sonnet"


def test_what_differs_from_the_defaults() -> None:
    Path("ccproxy.toml").write_text("[pool_settings]\nmin_size = 1\nmax_size = 10")
    out = examine().out
    assert "ccproxy.toml: valid; changed from the defaults (2)" in out
    assert "        pool_settings.min_size = 1 (ccproxy.toml)\n" in out
    assert '        claude.cli_path = "./cli" (environment: CLAUDE__CLI_PATH)\n' in out


def test_no_secret_and_nothing_of_the_account_is_shown() -> None:
    secrets = {"COUNT_TOKENS__API_KEY": SECRET, "CLAUDE__ENV": f'{{"X": "{SECRET}"}}'}
    ran = examine(**secrets)
    assert 'count_tokens.api_key = "(set)"' in ran.out
    assert "logged in (claude.ai)" in ran.out
    for out in (ran.out + ran.err, examine(ANTHROPIC_API_KEY=SECRET).out):
        assert SECRET not in out
        assert "who@example.com" not in out


def test_settings_that_cannot_be_used(asked: Asked) -> None:
    ran = examine(LOG_LEVEL="loud", CLAUDE__CWDD="x")
    assert ran.status == 1
    assert "FAILED  settings    environment: LOG_LEVEL: must be one of" in ran.out
    assert "FAILED  settings    environment: CLAUDE__CWDD: unknown key" in ran.out
    assert ran.out.endswith("\n2 FAILED.\n")
    assert asked.settings is None


def test_the_cli_is_asked_in_the_environment_of_a_process() -> None:
    cli = '#!/bin/sh\necho "${AUTH_TOKEN:-none} ${PASSED:-none} ${ADDED:-none} (Claude Code)"'
    environ = {
        "AUTH_TOKEN": SECRET,
        "PASSED": "passed",
        "CLAUDE__PASS_ENV": '["PASSED"]',
        "CLAUDE__ENV": '{"ADDED": "added"}',
    }
    assert "version     none passed added (Claude Code)" in examine(cli=cli, **environ).out


def test_no_cli(asked: Asked) -> None:
    ran = examine(CLAUDE__CLI_PATH="./gone")
    assert ran.status == 1
    assert marks(ran)["CLI"] == "FAILED"
    assert asked.settings is None


def test_a_cli_that_cannot_be_run() -> None:
    assert marks(examine(cli="#!/no/such/shell\n"))["version"] == "FAILED"


def test_a_cli_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_PATIENCE", 0.1)
    ran = examine(cli="#!/bin/sh\nsleep 60\n")
    assert "the CLI did not print it in time" in ran.out
    assert "unknown to this CLI; the request below will tell" in ran.out


def test_no_answer(asked: Asked) -> None:
    asked.answer = NoAnswer(("no answer within 60 s",))
    ran = examine()
    assert ran.status == 1
    assert "FAILED  answer      no answer within 60 s\n" in ran.out


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = examine(f"--port={taken.getsockname()[1]}")
    assert ran.status == 1
    assert marks(ran)["port"] == "FAILED"
    assert "trioproxy serve --port" in ran.out

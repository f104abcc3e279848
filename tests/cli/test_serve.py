import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attrs import define, field

from tests.cli.runner import run
from trioproxy.settings import Settings


@define
class Serving:
    """In the place of the server: what it was told, and how it is to end."""

    status: int = 0
    workers_read: dict[str, str] = field(factory=dict)
    calls: list[tuple[Settings, Mapping[str, str], dict[str, Any]]] = field(factory=list)

    def serve(self, settings: Settings, environ: Mapping[str, str], **text: Any) -> int:
        self.workers_read = dict(os.environ)
        self.calls.append((settings, environ, text))
        return self.status


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    before = dict(os.environ)
    found = Serving()
    module = ModuleType("trioproxy.serving")
    module.serve = found.serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    yield found
    os.environ.clear()
    os.environ.update(before)


def test_the_defaults(serving: Serving) -> None:
    assert run("serve").status == 0
    ((settings, environ, text),) = serving.calls
    assert settings == Settings()
    assert "CLAUDE__OFFLINE" not in environ
    assert text == {"host": "127.0.0.1", "port": 8000, "workers": 1, "is_exposed": False}


def test_everything_said(serving: Serving) -> None:
    Path("my.toml").write_text("[claude]\nmodel = 'haiku'")
    options = ["--host=0.0.0.0", "--port=0", "--workers=3", "--expose", "--offline"]
    assert run("serve", *options, "--config=my.toml").status == 0
    ((settings, environ, text),) = serving.calls
    assert (settings.claude.model, settings.claude.offline) == ("haiku", True)
    assert (environ["CCPROXY_CONFIG"], environ["CLAUDE__OFFLINE"]) == ("my.toml", "true")
    assert text == {"host": "0.0.0.0", "port": 0, "workers": 3, "is_exposed": True}


def test_an_option_beats_a_variable_in_any_case(serving: Serving) -> None:
    assert run("serve", "--offline", claude__offline="false").status == 0
    assert serving.calls[0][0].claude.offline
    assert "claude__offline" not in serving.calls[0][1]


def test_workers_read_the_same_environment(serving: Serving) -> None:
    assert run("serve", "--offline", "--workers=2", claude__offline="false").status == 0
    assert serving.workers_read == serving.calls[0][1]
    assert serving.workers_read["CLAUDE__OFFLINE"] == "true"


@pytest.mark.parametrize("status", [1, 2])
def test_its_status_is_that_of_the_server(serving: Serving, status: int) -> None:
    serving.status = status
    assert run("serve").status == status


def test_settings_that_cannot_be_used(serving: Serving) -> None:
    Path("ccproxy.toml").write_text("[claude]\nofline = true\ncwd = 3")
    ran = run("serve")
    assert (ran.status, ran.out, serving.calls) == (2, "", [])
    assert ran.err == (
        "trioproxy: ccproxy.toml: claude.ofline: unknown key (did you mean offline?)\n"
        "trioproxy: ccproxy.toml: claude.cwd: must be a quoted string, not 3\n"
    )


def test_renamed_setting_is_logged_once(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    assert run("serve", SERVER__MAX_REQUESTS="5").status == 0
    assert serving.calls[0][0].server.max_concurrent_requests == 5
    assert [message for message in caplog.messages if "is now called" in message] == [
        "[STARTUP] environment: server.max_requests is now called server.max_concurrent_requests"
    ]

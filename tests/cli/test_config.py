import json
import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.cli.runner import run
from trioproxy.settings import FIELDS, Settings

SECRET = "hush-hush"
SECRETS = {
    "COUNT_TOKENS__API_KEY": SECRET,
    "HTTP_POOL__PROXY": f"http://me:{SECRET}@host:1",
    "HTTP_POOL__UPSTREAMS": json.dumps({"a": f"https://me:{SECRET}@host/"}),
    "CLAUDE__ENV": json.dumps({"ANTHROPIC_API_KEY": SECRET, "OTHER": "x"}),
}


def shown_as_json(*options: str, **environ: str) -> dict[str, Any]:
    ran = run("config", "show", "--json", *options, **environ)
    assert (ran.status, ran.err) == (0, "")
    document: dict[str, Any] = json.loads(ran.out)
    return document


def test_the_defaults_are_a_settings_file() -> None:
    ran = run("config", "show")
    assert (ran.status, ran.err) == (0, "")
    assert tomllib.loads(ran.out) == json.loads(json.dumps(attrs.asdict(Settings())))
    assert ran.out.count("  # default\n") == len(FIELDS)


def test_each_value_says_where_it_is_from() -> None:
    Path("my.toml").write_text("[pool_settings]\nmin_size = 1\nmax_size = 4")
    lines = run("config", "show", "--config=my.toml", LOG_LEVEL="debug").out.splitlines()
    result = [line.split("  # ") for line in lines if "  # " in line and "# default" not in line]
    assert [(setting.strip(), source) for setting, source in result] == [
        ("min_size = 1", "my.toml"),
        ("max_size = 4", "my.toml"),
        ('level = "DEBUG"', "environment: LOG_LEVEL"),
    ]


def test_json() -> None:
    Path("ccproxy.toml").write_text("claude.extra_args = ['--a']")
    document = shown_as_json(CLAUDE__OFFLINE="1")
    assert document["file"] == "ccproxy.toml"
    settings = document["settings"]
    assert list(settings) == list(FIELDS)
    assert settings["claude.extra_args"] == {"value": ["--a"], "source": "ccproxy.toml"}
    offline = {"value": True, "source": "environment: CLAUDE__OFFLINE"}
    assert settings["claude.offline"] == offline
    assert settings["server.body_timeout"] == {"value": 60.0, "source": "default"}


def test_json_without_a_file() -> None:
    assert shown_as_json()["file"] is None


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["toml", "json"])
def test_no_secret_is_shown(options: list[str]) -> None:
    ran = run("config", "show", *options, **SECRETS)
    assert ran.status == 0
    assert SECRET not in ran.out + ran.err


def test_of_secrets_it_is_shown_that_they_are_set() -> None:
    shown = tomllib.loads(run("config", "show", **SECRETS).out)
    assert shown["count_tokens"]["api_key"] == shown["http_pool"]["proxy"] == "(set)"
    assert shown["http_pool"]["upstreams"] == {"a": "https://(set)@host/"}
    assert shown["claude"]["env"] == {"ANTHROPIC_API_KEY": "(set)", "OTHER": "(set)"}


@pytest.mark.parametrize(
    "secret", [path for path in FIELDS if FIELDS[path].metadata.get("is_secret")]
)
def test_every_secret_of_the_settings_is_hidden(secret: str) -> None:
    is_text = FIELDS[secret].type is str
    name = secret.replace(".", "__").upper()
    environ = {name: SECRET if is_text else json.dumps({"some": SECRET})}
    value = shown_as_json(**environ)["settings"][secret]["value"]
    assert value == ("(set)" if is_text else {"some": "(set)"})


def test_any_text_is_shown_in_printable_characters() -> None:
    text = 'a"\\\n\x1b[31m\x7f\u2028\U000e0001é'
    ran = run("config", "show", CLAUDE__SYSTEM_PROMPT=text)
    assert tomllib.loads(ran.out)["claude"]["system_prompt"] == text
    assert all(line.isprintable() for line in ran.out.splitlines())


def test_a_number_of_any_length() -> None:
    number = "0x" + "f" * 5000
    Path("ccproxy.toml").write_text(f"pool_settings.max_size = {number}")
    assert f"max_size = {number}" in run("config", "show").out
    assert shown_as_json()["settings"]["pool_settings.max_size"]["value"] == number


def test_a_good_file_is_ok() -> None:
    assert run("config", "check").out == "ok: no file\n"
    Path(".ccproxy.toml").write_text("")
    assert run("config", "check").out == "ok: .ccproxy.toml\n"
    Path("my.json").write_text("{}")
    assert run("config", "check", CCPROXY_CONFIG="my.json").out == "ok: my.json\n"


def test_every_problem_is_told() -> None:
    Path("ccproxy.toml").write_text("a = 1\nclaude.cwd = 3")
    ran = run("config", "check", LOG_LEVEL="loud")
    assert (ran.status, ran.out) == (2, "")
    assert [line.split(": ")[2] for line in ran.err.splitlines()] == [
        "a",
        "claude.cwd",
        "LOG_LEVEL",
    ]
    assert run("config", "show").status == 2


def test_a_file_of_another_kind() -> None:
    Path("my.yaml").write_text("")
    ran = run("config", "check", "--config=my.yaml")
    assert ran.status == 2
    assert 'must name a .toml or .json file, not "my.yaml"' in ran.err


def test_check_names_a_renamed_setting() -> None:
    ran = run("config", "check", SERVER__MAX_REQUESTS="5")
    assert ran.status == 0
    assert ran.err == (
        "note: environment: server.max_requests is now called server.max_concurrent_requests\n"
    )

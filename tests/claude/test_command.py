from collections.abc import Callable

import pytest
from attrs import frozen

from trioproxy.claude.command import Command, Options, build_command, build_offline_command

OPERATOR = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/home/operator",
    "LANG": "C.UTF-8",
    "HTTPS_PROXY": "http://proxy:3128",
}

FORCED = {
    "CLAUDE_CODE_MAX_RETRIES": "0",
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    "CLAUDE_CODE_DISABLE_ATTACHMENTS": "1",
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
    "CLAUDE_CODE_DISABLE_LEGACY_MODEL_REMAP": "1",
    "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS": "1",
    "DISABLE_INTERLEAVED_THINKING": "1",
    "CLAUDE_CODE_EFFORT_LEVEL": "unset",
    "CLAUDE_CODE_MODEL_CAPABILITIES": "effort",
    "CLAUDE_CODE_MESSAGES_PROMPT_CACHE_TTL": "5m",
    "DISABLE_COMPACT": "1",
    "CLAUDE_CODE_MAX_CONTEXT_TOKENS": "1000000000",
    "CLAUDE_CODE_DISABLE_REFUSAL_FALLBACK": "1",
    "CLAUDE_CODE_DISABLE_REFUSAL_RETRY": "1",
    "CLAUDE_CODE_DEBUG_LOG_LEVEL": "error",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
}

CREDENTIALS = {
    "ANTHROPIC_API_KEY": "sk-ant-secret",
    "ANTHROPIC_AUTH_TOKEN": "token-secret",
    "CLAUDE_CODE_OAUTH_TOKEN": "oauth-secret",
    "ANTHROPIC_CUSTOM_HEADERS": "x-key: header-secret",
    "ANTHROPIC_BASE_URL": "https://gateway-secret.example",
    "AWS_SECRET_ACCESS_KEY": "aws-secret",
    "AWS_BEARER_TOKEN_BEDROCK": "bedrock-secret",
    "GOOGLE_APPLICATION_CREDENTIALS": "/google-secret.json",
    "HTTPS_PROXY": "http://user:proxy-secret@proxy:3128",
    "CLAUDE_CONFIG_DIR": "/home/operator/claude-secret",
    "XDG_CONFIG_HOME": "/home/operator/xdg-secret",
    "CLAUDE_CODE_USE_BEDROCK": "1-secret",
}


def online(environ: dict[str, str], *, bare: str = "auto") -> Command:
    return build_command("/bin/claude", environ, "/cwd", Options(bare=bare))


def offline(environ: dict[str, str]) -> Command:
    return build_offline_command(
        "/bin/claude", environ, "/cwd", home="/home/of-its-own", base_url="http://127.0.0.1:99"
    )


# -- What is run ------------------------------------------------------------------------------

ARGV = (
    "/bin/claude",
    "--print",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--verbose",
    "--include-partial-messages",
    "--no-session-persistence",
    "--strict-mcp-config",
    "--setting-sources=",
    "--disable-slash-commands",
    "--debug-to-stderr",
    "--tools=",
    "--max-turns=1",
)


def test_the_command_line_word_for_word() -> None:
    command = online(OPERATOR)
    assert command.argv == ARGV
    assert command.cwd == "/cwd"


def test_the_offline_command_line_is_the_same_and_bare() -> None:
    assert offline(OPERATOR).argv == (*ARGV, "--bare")
    assert offline(OPERATOR).cwd == "/cwd"


@frozen
class BareCase:
    """What `bare` is set to, what the environment has, and whether `--bare` is said."""

    bare: str
    environ: dict[str, str]
    expected: bool


KEY = {"ANTHROPIC_API_KEY": "sk"}
BARE_CASES = [
    BareCase("auto", {}, expected=False),
    BareCase("auto", KEY, expected=True),
    BareCase(
        "auto", {"CLAUDE_CODE_OAUTH_TOKEN": "t", "ANTHROPIC_AUTH_TOKEN": "t"}, expected=False
    ),
    BareCase("always", {}, expected=True),
    BareCase("always", KEY, expected=True),
    BareCase("never", {}, expected=False),
    BareCase("never", KEY, expected=False),
]


@pytest.mark.parametrize(
    "case", BARE_CASES, ids=lambda item: f"{item.bare}, {' '.join(item.environ) or 'nothing'}"
)
def test_bare_is_said_when_it_can_log_in(case: BareCase) -> None:
    command = online(case.environ, bare=case.bare)
    assert command.argv == (ARGV if not case.expected else (*ARGV, "--bare"))


def test_bare_goes_by_the_key_unless_told() -> None:
    assert "--bare" in build_command("/bin/claude", KEY, "/cwd").argv


def test_an_empty_key_is_no_key() -> None:
    environ = {"ANTHROPIC_API_KEY": "", "CLAUDE_CODE_OAUTH_TOKEN": "t"}
    assert "--bare" not in online(environ).argv


# -- With which environment -------------------------------------------------------------------


def test_the_operators_environment_is_kept_and_added_to() -> None:
    environ = {**OPERATOR, **CREDENTIALS}
    assert online(environ).environ == {**environ, **FORCED}


def test_what_is_not_inherited_is_not_there() -> None:
    command = online({**OPERATOR, "AUTH_TOKEN": "ours", "OTHER_KEY": "of another program"})
    assert command.environ == {**OPERATOR, **FORCED}


def test_an_operator_can_have_more_inherited() -> None:
    environ = {**OPERATOR, "OTEL_A": "1", "GITHUB_TOKEN": "x", "AUTH_TOKEN": "ours"}
    options = Options(pass_env=("OTEL_*", "GITHUB_TOKEN"), env={"OTEL_A": "2"})
    command = build_command("/bin/claude", environ, "/cwd", options)
    assert command.environ == {**OPERATOR, "GITHUB_TOKEN": "x", **FORCED, "OTEL_A": "2"}


def test_a_key_that_is_not_inherited_makes_no_process_bare() -> None:
    assert online({"anthropic_api_key": "sk"}).argv == ARGV


def test_offline_nothing_more_is_inherited() -> None:
    options = Options(pass_env=("*", "CLAUDE_CODE_USE_BEDROCK"))
    environ = {**OPERATOR, "CLAUDE_CODE_USE_BEDROCK": "1", "OTHER": "x"}
    command = build_offline_command(
        "/bin/claude",
        environ,
        "/cwd",
        options,
        home="/home/of-its-own",
        base_url="http://127.0.0.1:99",
    )
    assert command.environ == offline(OPERATOR).environ


@pytest.mark.parametrize("name", FORCED)
def test_what_is_added_cannot_be_overruled_from_outside(name: str) -> None:
    environ = {**OPERATOR, name: "foreign"}
    assert online(environ).environ[name] == FORCED[name]
    assert offline(environ).environ[name] == FORCED[name]


def test_the_environment_that_was_handed_in_is_left_as_it_was() -> None:
    environ = {**OPERATOR, "CLAUDECODE": "1"}
    command = online(environ)
    environ["LC_LATER"] = "1"
    assert environ == {**OPERATOR, "CLAUDECODE": "1", "LC_LATER": "1"}
    assert "LC_LATER" not in command.environ


def test_the_offline_environment_is_a_new_one() -> None:
    environ = {**OPERATOR, "LC_ALL": "C", "TMPDIR": "/tmp", "TZ": "UTC", "OTHER": "x"}
    assert offline(environ).environ == {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "LC_ALL": "C",
        "TMPDIR": "/tmp",
        "TZ": "UTC",
        "HOME": "/home/of-its-own",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:99",
        "ANTHROPIC_API_KEY": "offline",
        **FORCED,
    }


def test_the_offline_environment_invents_nothing_that_was_not_there() -> None:
    assert offline({}).environ.keys() == {
        "HOME",
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_API_KEY",
        *FORCED,
    }


def test_no_credential_gets_into_the_offline_environment() -> None:
    command = offline({**OPERATOR, **CREDENTIALS})
    assert not [value for value in command.environ.values() if "secret" in value]
    assert command.environ == offline(OPERATOR).environ


@pytest.mark.parametrize("build", [online, offline])
def test_the_repr_shows_what_is_run_and_no_environment(
    build: Callable[[dict[str, str]], Command],
) -> None:
    command = build({**OPERATOR, **CREDENTIALS})
    for shown in (repr(command), str(command), f"{command}"):
        assert shown.startswith("<Command /bin/claude --print ")
        assert shown.endswith(" in /cwd>")
        assert "secret" not in shown
        assert "ANTHROPIC" not in shown
        assert "HOME" not in shown


# -- What an operator may say --------------------------------------------------------------------


def with_options(options: Options) -> Command:
    return build_command("/bin/claude", {}, "/cwd", options)


def test_with_tools_of_its_own_a_turn_may_take_several_calls() -> None:
    plain = Options(max_turns=7)
    tools = Options(tools="Read,Grep", max_turns=7, permission_mode="dontAsk")
    servers = Options(mcp_config="/etc/mcp.json", max_turns=7)
    assert [item.own_tools for item in (plain, tools, servers)] == [False, True, True]
    assert plain.arguments() == ["--tools=", "--max-turns=1"]
    assert tools.arguments() == [
        "--tools=Read,Grep",
        "--max-turns=7",
        "--permission-mode=dontAsk",
    ]
    assert servers.arguments() == ["--tools=", "--max-turns=7", "--mcp-config=/etc/mcp.json"]


def test_arguments_and_variables_of_the_operators_come_last() -> None:
    command = with_options(Options(extra_args=("--a", "b"), env={"A": "1"}, max_retries=3))
    assert command.argv[-2:] == ("--a", "b")
    assert command.environ["A"] == "1"
    assert command.environ["CLAUDE_CODE_MAX_RETRIES"] == "3"


def test_a_key_among_the_operators_variables_counts() -> None:
    assert "--bare" in with_options(Options(env={"ANTHROPIC_API_KEY": "sk"})).argv


def test_the_clis_own_betas_are_those_of_its_mode() -> None:
    assert online(KEY).betas == ("claude-code-20250219",)
    assert online({}).betas == ("claude-code-20250219", "oauth-2025-04-20")


# -- Processes that take any prompt --------------------------------------------------------------


def any_prompt(environ: dict[str, str], *, home: str = "") -> Command:
    return build_command("/bin/claude", environ, "/cwd", plugin="/private/plugin", home=home)


def test_one_that_takes_any_prompt_is_never_bare_by_its_command() -> None:
    command = any_prompt(KEY)
    assert "--bare" not in command.argv
    assert command.argv[-2:] == ("--plugin-dir=/private/plugin", "--system-prompt-snapshot=off")
    assert command.is_bare
    assert command.betas == build_command("/bin/claude", KEY, "/cwd").betas
    assert not any_prompt({"HOME": "/h"}).is_bare


def test_it_keeps_what_it_makes_in_the_private_directory() -> None:
    assert any_prompt({**KEY, "TMPDIR": "/t"}).environ["TMPDIR"] == "/private"
    offline = build_offline_command(
        "/bin/claude", {"TMPDIR": "/t"}, "/cwd", home="/h", base_url="u", plugin="/private/plugin"
    )
    assert offline.environ["TMPDIR"] == "/private"


@pytest.mark.parametrize(
    ("environ", "home"),
    [
        ({**KEY, "HOME": "/operators"}, "/own"),
        ({"HOME": "/operators"}, "/operators"),  # a login is kept there
        ({**KEY, "HOME": "/operators", "CLAUDE_CODE_USE_BEDROCK": "1"}, "/operators"),
    ],
)
def test_its_home_is_its_own_where_it_needs_no_other(environ: dict[str, str], home: str) -> None:
    made = any_prompt({**environ, "CLAUDE_CONFIG_DIR": "/c"}, home="/own").environ
    assert made["HOME"] == home
    assert ("CLAUDE_CONFIG_DIR" in made) == (home != "/own")

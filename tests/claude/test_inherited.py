"""Which variables of the server's environment a CLI process inherits, and which it never does."""

from collections.abc import Callable

import pytest
from attrs import frozen

from trioproxy.claude.inherited import SET_PER_TURN, inherited, pass_env_problem
from trioproxy.settings import FIELDS

PASSES = [
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
    *("http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *("XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "CLAUDE_CONFIG_DIR"),
    *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_PROFILE"),
    *("ANTHROPIC_CUSTOM_HEADERS", "ANTHROPIC_VERTEX_PROJECT_ID", "ANTHROPIC_FOUNDRY_API_KEY"),
    *("CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_CLIENT_KEY_PASSPHRASE"),
    *("API_TIMEOUT_MS", "API_FORCE_IDLE_TIMEOUT", "CLAUDE_STREAM_IDLE_TIMEOUT_MS"),
    *("CLAUDE_ENABLE_STREAM_WATCHDOG", "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS"),
    *("AWS_PROFILE", "AWS_SECRET_ACCESS_KEY", "AWS_BEARER_TOKEN_BEDROCK"),
    *("GOOGLE_APPLICATION_CREDENTIALS", "GCLOUD_PROJECT", "CLOUDSDK_CONFIG"),
    *("CLOUD_ML_REGION", "VERTEX_REGION_CLAUDE_HAIKU_4_5"),
    *("AZURE_CLIENT_SECRET", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"),
]

ALTERS_REQUESTS = [
    "ANTHROPIC_BETAS",
    "CLAUDE_CODE_DISABLE_ADAPTIVE_THINKING",
    "CLAUDE_CODE_DISABLE_THINKING",
    "CLAUDE_CODE_MAX_RETRIES",
    "CLAUDE_CODE_RETRY_WATCHDOG",
    "CLAUDE_CODE_SIMPLE",
    "MAX_THINKING_TOKENS",
]
OF_A_PARENT = [
    "CLAUDECODE",
    "CLAUDE_CODE_BRIDGE_SESSION_ID",
    "CLAUDE_CODE_CHILD_SESSION",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_MESSAGING_SOCKET",
    "CLAUDE_CODE_MESSAGING_TOKEN",
    "CLAUDE_CODE_REMOTE",
    "CLAUDE_CODE_REMOTE_SESSION_ID",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_SSE_PORT",
]
OF_OTHERS = [
    *("GITHUB_TOKEN", "DATABASE_URL", "OPENAI_API_KEY", "KUBECONFIG", "SSH_AUTH_SOCK", "TERM"),
    *("OTEL_EXPORTER_OTLP_HEADERS", "MCP_CLIENT_SECRET", "BASH_ENV", "LD_PRELOAD", "PYTHONPATH"),
    *("DISABLE_PROMPT_CACHING_HAIKU", "ENABLE_TOOL_SEARCH", "NODE_OPTIONS", "DEBUG"),
    *("NODE_TLS_REJECT_UNAUTHORIZED", "CLAUDE_PID", "CLAUDE_ENV_FILE", "path", "Home"),
    *("lc_all", "aws_profile", "anthropic_api_key", "HTTP_PROXY_X", "MY_AWS_KEY", ""),
]

OURS = [
    *(path.replace(".", "__") for path in FIELDS),
    *(field.metadata["also"] for field in FIELDS.values() if "also" in field.metadata),
    *("CCPROXY_CONFIG", "CLAUDE__NO_SUCH_KEY", "AUTH__"),
]
SPELLINGS: list[Callable[[str], str]] = [str.upper, str.lower, str.title, str.swapcase]


def passing(*names: str, pass_env: tuple[str, ...] = ()) -> list[str]:
    environ = {name: f"value of {name}" for name in names}
    found = inherited(environ, pass_env)
    assert found.items() <= environ.items()
    return list(found)


@pytest.mark.parametrize("name", PASSES)
def test_what_the_cli_needs_passes(name: str) -> None:
    assert passing(name) == [name]


@pytest.mark.parametrize(
    "name", [*ALTERS_REQUESTS, *OF_A_PARENT, *OF_OTHERS, *sorted(SET_PER_TURN)]
)
def test_nothing_else_does(name: str) -> None:
    assert passing("PATH", name) == ["PATH"]


@pytest.mark.parametrize("ours", OURS)
def test_a_setting_of_this_server_never_passes(ours: str) -> None:
    for name in {spell(ours) for spell in SPELLINGS}:
        assert passing(name) == []
        assert passing(name, pass_env=("*", name, f"{name[:4]}*")) == []
        assert pass_env_problem(name) is not None


@pytest.mark.parametrize("name", sorted(SET_PER_TURN))
def test_what_is_set_for_each_turn_never_passes(name: str) -> None:
    assert passing(name, pass_env=("*", name)) == []


@frozen
class PassEnv:
    """What `pass_env` has, and which of the variables below pass besides."""

    pass_env: tuple[str, ...]
    passes: tuple[str, ...]


THERE = ("PATH", "OTEL_A", "OTEL_B", "otel_a", "OTEL", "CLAUDECODE", "ANTHROPIC_BETAS")
PASS_ENV = [
    PassEnv((), ()),
    PassEnv(("OTEL_*",), ("OTEL_A", "OTEL_B")),
    PassEnv(("OTEL*",), ("OTEL_A", "OTEL_B", "OTEL")),
    PassEnv(("OTEL_A",), ("OTEL_A",)),
    PassEnv(("OTEL",), ("OTEL",)),
    PassEnv(("OTEL_A*", "OTEL_B", "GONE"), ("OTEL_A", "OTEL_B")),
    PassEnv(("*",), ("OTEL_A", "OTEL_B", "otel_a", "OTEL")),
    PassEnv(("CLAUDE*", "ANTHROPIC_*"), ()),
    PassEnv(("CLAUDECODE", "ANTHROPIC_BETAS"), ("CLAUDECODE", "ANTHROPIC_BETAS")),
]


@pytest.mark.parametrize("case", PASS_ENV, ids=lambda case: " ".join(case.pass_env) or "none")
def test_more_variables_by_name_and_by_how_they_begin(case: PassEnv) -> None:
    assert passing(*THERE, pass_env=case.pass_env) == ["PATH", *case.passes]


@pytest.mark.parametrize(
    "pattern", ["A", "lower_case", "A*", "*", "CLAUDE_CODE_*", "LOG_*", "A.B"]
)
def test_what_pass_env_can_have(pattern: str) -> None:
    assert pass_env_problem(pattern) is None


@pytest.mark.parametrize("pattern", ["", " ", "A B", "A=1", "*A", "A**", "A*B", "A\0", "A\n"])
def test_what_is_no_name_of_a_variable(pattern: str) -> None:
    assert "must be a variable name" in str(pass_env_problem(pattern))


@pytest.mark.parametrize("pattern", ["AUTH_TOKEN", "auth__*", "CLAUDE__*", "LOG_LEVEL*"])
def test_a_setting_of_this_server_cannot_be_had(pattern: str) -> None:
    assert "is a setting of this server" in str(pass_env_problem(pattern))

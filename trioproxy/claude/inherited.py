"""Which of the server's variables a CLI process inherits: a list of what passes.

The server's environment has secrets that are nothing to the CLI: tokens of callers, keys of other
programs. Whatever the CLI runs (tools, MCP servers) inherits its environment in turn, so a
variable passes by its name or not at all. Sources for the names: the CLI's documentation of its
variables, of authentication, of networks, and of each cloud that it can ask.
"""

import re
from collections.abc import Collection, Mapping

from trioproxy.settings import is_setting

_NAMES = frozenset(
    {
        # What a program takes for granted. Not TERM: there is no terminal. SHELL: the CLI's Bash
        # tool goes by it.
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "TZ",
        # The way to the API. Not NODE_TLS_REJECT_UNAUTHORIZED: that nobody checks who answers must
        # be somebody's wish for this server.
        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
        "http_proxy", "https_proxy", "no_proxy", "all_proxy",
        "NODE_EXTRA_CA_CERTS",
        "API_TIMEOUT_MS", "API_FORCE_IDLE_TIMEOUT",
        # Where a login is kept.
        "CLAUDE_CONFIG_DIR",
        # Google Cloud's project, which has no common beginning, and a managed identity of Azure's.
        "GCLOUD_PROJECT", "IDENTITY_ENDPOINT", "IDENTITY_HEADER",
    }
)  # fmt: skip

# Not DISABLE_*, ENABLE_* and MAX_*, which alter requests (caching, thinking, searching for tools),
# nor BASH_*, MCP_* and OTEL_*, which are for an operator to choose.
_BEGINNINGS = (
    "LC_",
    "XDG_",
    "SSL_CERT_",
    "ANTHROPIC_",
    "CLAUDE_CODE_",
    # How long a silent connection is waited for.
    "CLAUDE_ENABLE_",
    "CLAUDE_STREAM_",
    "CLAUDE_BYTE_STREAM_",
    # Accounts of clouds, and their regions.
    "AWS_",
    "AZURE_",
    "CLOUDSDK_",
    "CLOUD_ML_",
    "GOOGLE_",
    "VERTEX_REGION_",
)

SET_PER_TURN = frozenset(
    {
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
        "CLAUDE_CODE_EXTRA_BODY",
        "CLAUDE_CODE_PROMPT_CACHE_TTL",
        "DISABLE_PROMPT_CACHING",
    }
)
"""What a session sets for each turn: from outside, it would reach requests that did not ask."""

# Passed only where `pass_env` has the whole name, and not for how they begin.
_DROPPED = frozenset(
    {
        # They alter requests, or overrule settings of this server.
        "ANTHROPIC_BETAS",
        "CLAUDE_CODE_DISABLE_ADAPTIVE_THINKING",
        "CLAUDE_CODE_DISABLE_THINKING",
        "CLAUDE_CODE_MAX_RETRIES",
        "CLAUDE_CODE_RETRY_WATCHDOG",
        "CLAUDE_CODE_SIMPLE",
        # A Claude process sets them for what it starts: this server may be such a program.
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
        "MAX_THINKING_TOKENS",
    }
)

_PATTERN = re.compile(r"[^\s=*\0]+\*?|\*")


def inherited(environ: Mapping[str, str], pass_env: Collection[str] = ()) -> dict[str, str]:
    """The variables of `environ` that pass.

    `pass_env`: names of more; one that ends with `*` stands for all that begin so. What this
    server reads as its settings never passes, nor what a session sets for each turn.
    """
    more = tuple(name[:-1] for name in pass_env if name.endswith("*"))
    return {
        name: value
        for name, value in environ.items()
        if not (name in SET_PER_TURN or is_setting(name))
        and (name in pass_env or _passes_by_default(name, more))
    }


def _passes_by_default(name: str, more: tuple[str, ...]) -> bool:
    return name not in _DROPPED and (name in _NAMES or name.startswith((*_BEGINNINGS, *more)))


def pass_env_problem(pattern: str) -> str | None:
    """Why `pass_env` cannot have `pattern`; None if it can."""
    if not _PATTERN.fullmatch(pattern):
        return "must be a variable name, or a prefix followed by *"
    if is_setting(pattern.removesuffix("*")):
        return (
            "is a setting of this server, which is not passed on; set it in `[claude] env` instead"
        )
    return None

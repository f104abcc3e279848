"""The command line and the environment of one warm process."""

from collections.abc import Mapping

from attrs import frozen

_ARGUMENTS = (
    "--print",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--verbose",
    "--include-partial-messages",
    "--no-session-persistence",
    "--max-turns=1",
    "--tools=",
    "--strict-mcp-config",
    "--setting-sources=",
    "--disable-slash-commands",
)

_ENVIRONMENT = {
    # A caller's request is one API call: its errors come out at once, as they are.
    "CLAUDE_CODE_MAX_RETRIES": "0",
    # After a stream that breaks, the CLI would ask again without streaming and answer twice.
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    # `@path` and magic words in a caller's text stay text.
    "CLAUDE_CODE_DISABLE_ATTACHMENTS": "1",
    # The model that is asked for is the one that answers, old ones too.
    "CLAUDE_CODE_DISABLE_LEGACY_MODEL_REMAP": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
}

# What a server that was itself started by a Claude process must not hand on, and what the
# exchange sets for each turn: a value from outside would reach requests that did not ask for it.
_DROPPED = (
    "CLAUDECODE",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_SSE_PORT",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
    "CLAUDE_CODE_EXTRA_BODY",
    "CLAUDE_CODE_EFFORT_LEVEL",
    "MAX_THINKING_TOKENS",
    "AUTH_TOKEN",
)

_KEPT_OFFLINE = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TZ")


@frozen
class Command:
    """What to start, where, and with which environment. `repr` shows no environment."""

    argv: tuple[str, ...]
    environ: Mapping[str, str] = {}
    cwd: str = "/"

    def __repr__(self) -> str:
        return f"<Command {' '.join(self.argv)} in {self.cwd}>"


def build_command(
    binary: str, environ: Mapping[str, str], cwd: str, *, bare: str = "auto"
) -> Command:
    """The command of a process that uses the operator's own account.

    `bare` is "always", "never" or "auto": `--bare` sends the API the caller's messages with
    nothing added, and takes credentials only from `ANTHROPIC_API_KEY`, so "auto" asks whether
    that is set and not empty, and nothing more.
    """
    kept = {name: value for name, value in environ.items() if name not in _DROPPED}
    is_bare = bare == "always" or (bare == "auto" and bool(kept.get("ANTHROPIC_API_KEY")))
    return _command(binary, {**kept, **_ENVIRONMENT}, cwd, is_bare=is_bare)


def build_offline_command(
    binary: str, environ: Mapping[str, str], cwd: str, *, home: str, base_url: str
) -> Command:
    """The command of a process that talks to the stand-in at `base_url` and to nothing else.

    Its environment is a new one, with a home of its own: no credential can reach the stand-in.
    """
    kept = {name: environ[name] for name in _KEPT_OFFLINE if name in environ}
    own = {"HOME": home, "ANTHROPIC_BASE_URL": base_url, "ANTHROPIC_API_KEY": "offline"}
    return _command(binary, {**kept, **_ENVIRONMENT, **own}, cwd, is_bare=True)


def _command(binary: str, environ: Mapping[str, str], cwd: str, *, is_bare: bool) -> Command:
    argv = (binary, *_ARGUMENTS, *(["--bare"] if is_bare else []))
    return Command(argv, environ, cwd)

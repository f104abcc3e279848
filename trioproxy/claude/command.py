"""The command line and the environment of one warm process."""

from collections.abc import Mapping
from pathlib import Path

from attrs import Factory, evolve, frozen

from trioproxy.claude.inherited import inherited

_ARGUMENTS = (
    "--print",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--verbose",
    "--include-partial-messages",
    "--no-session-persistence",
    "--strict-mcp-config",
    "--setting-sources=",
    "--disable-slash-commands",
    "--debug-to-stderr",  # errors only: see CLAUDE_CODE_DEBUG_LOG_LEVEL
)

FIXED_ENVIRONMENT: Mapping[str, str] = {
    # After a stream that breaks, the CLI would ask again without streaming and answer twice.
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    # `@path` and magic words in a caller's text stay text.
    "CLAUDE_CODE_DISABLE_ATTACHMENTS": "1",
    # With a login, the CLI would put what it remembers for the operator before each question.
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
    # The model that is asked for is the one that answers, old ones too.
    "CLAUDE_CODE_DISABLE_LEGACY_MODEL_REMAP": "1",
    # What the caller did not ask for: features of its own, thinking between calls of tools, an
    # effort. What the caller did ask for: an effort for any model, to be refused by the API.
    "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS": "1",
    "DISABLE_INTERLEAVED_THINKING": "1",
    "CLAUDE_CODE_EFFORT_LEVEL": "unset",
    "CLAUDE_CODE_MODEL_CAPABILITIES": "effort",
    # Beside a breakpoint of an hour in the system prompt, the last message has one of 5 minutes.
    "CLAUDE_CODE_MESSAGES_PROMPT_CACHE_TTL": "5m",
    # A conversation that is too long is refused by the API: not answered from a summary of it, and
    # not refused by the CLI, which only guesses its tokens.
    "DISABLE_COMPACT": "1",
    "CLAUDE_CODE_MAX_CONTEXT_TOKENS": "1000000000",
    # A refusal is the model's answer, and no reason to ask another.
    "CLAUDE_CODE_DISABLE_REFUSAL_FALLBACK": "1",
    "CLAUDE_CODE_DISABLE_REFUSAL_RETRY": "1",
    # The API's own words when it refuses: see failure.py.
    "CLAUDE_CODE_DEBUG_LOG_LEVEL": "error",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
}
"""What every process has in its environment, whatever the server's own has."""

MAX_RETRIES = "CLAUDE_CODE_MAX_RETRIES"
"""Set by `[claude] max_retries`."""

_KEPT_OFFLINE = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TZ")


_CLOUDS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")

_CLI_BETA = "claude-code-20250219"
_LOGIN_BETA = "oauth-2025-04-20"


@frozen
class Options:
    """What an operator may say of every process: `[claude]` in the settings.

    `bare` is "always", "never" or "auto": `--bare` sends the API the caller's messages with
    nothing added, and takes credentials only from `ANTHROPIC_API_KEY`, so "auto" asks whether
    that is set and not empty, and nothing more. `tools` are the CLI's own, as its `--tools`
    takes them, and `mcp_config` is a file; either makes a turn take up to `max_turns` API calls.
    `pass_env`: see `inherited`; offline, nothing more is inherited.
    """

    bare: str = "auto"
    tools: str = ""
    permission_mode: str = ""
    mcp_config: str = ""
    max_turns: int = 1
    max_retries: int = 0
    extra_args: tuple[str, ...] = ()
    env: Mapping[str, str] = Factory(dict)
    pass_env: tuple[str, ...] = ()

    @property
    def own_tools(self) -> bool:
        """Whether the CLI has tools of its own."""
        return bool(self.tools or self.mcp_config)

    def arguments(self) -> list[str]:
        """The part of the command line that these make."""
        found = [f"--tools={self.tools}", f"--max-turns={self.max_turns if self.own_tools else 1}"]
        if self.permission_mode:
            found.append(f"--permission-mode={self.permission_mode}")
        if self.mcp_config:
            found.append(f"--mcp-config={self.mcp_config}")
        return found + list(self.extra_args)


@frozen
class Command:
    """What to start, where, and with which environment. `repr` shows no environment."""

    argv: tuple[str, ...]
    environ: Mapping[str, str] = Factory(dict)
    cwd: str = "/"
    is_bare: bool = False
    """Whether the API is to get the caller's messages with nothing added."""

    @property
    def betas(self) -> tuple[str, ...]:
        """The beta features that such a process asks for itself."""
        return (_CLI_BETA,) if self.is_bare else (_CLI_BETA, _LOGIN_BETA)

    def __repr__(self) -> str:
        return f"<Command {' '.join(self.argv)} in {self.cwd}>"


def build_command(  # noqa: PLR0913 - each is another thing
    binary: str,
    environ: Mapping[str, str],
    cwd: str,
    options: Options = Options(),
    *,
    plugin: str = "",
    home: str = "",
) -> Command:
    """The command of a process that uses the operator's own account.

    `plugin`: the folder of `prompts.write_plugin`, for one that takes any prompt. `home`: the
    home that it has then, unless it needs the operator's: for a login, or for a cloud's account.
    """
    own = build_environment(environ, options)
    bare = is_bare(environ, options)
    has_key = bool(own.get("ANTHROPIC_API_KEY"))
    if plugin and home and has_key and not any(own.get(name) for name in _CLOUDS):
        own |= {"HOME": home}
        own.pop("CLAUDE_CONFIG_DIR", None)
    own |= _temporary(plugin)
    return Command(_argv(binary, options, plugin, is_bare=bare), own, cwd, bare)


def is_bare(environ: Mapping[str, str], options: Options) -> bool:
    """Whether such a process adds nothing to what a caller says."""
    has_key = bool(build_environment(environ, options).get("ANTHROPIC_API_KEY"))
    return options.bare == "always" or (options.bare == "auto" and has_key)


def build_environment(environ: Mapping[str, str], options: Options = Options()) -> dict[str, str]:
    """The environment of such a process: inherited, fixed, and what the operator adds."""
    return _completed(inherited(environ, options.pass_env), options)


def build_offline_command(  # noqa: PLR0913 - each is another thing
    binary: str,
    environ: Mapping[str, str],
    cwd: str,
    options: Options = Options(),
    *,
    home: str,
    base_url: str,
    plugin: str = "",
) -> Command:
    """The command of a process that talks to the stand-in at `base_url` and to nothing else.

    Its environment is a new one, with a home of its own: no credential can reach the stand-in.
    """
    kept = {name: environ[name] for name in _KEPT_OFFLINE if name in environ}
    own = {"HOME": home, "ANTHROPIC_BASE_URL": base_url, "ANTHROPIC_API_KEY": "offline"}
    offline = evolve(options, env={**options.env, **own})
    argv = _argv(binary, options, plugin, is_bare=True)
    return Command(argv, {**_completed(kept, offline), **_temporary(plugin)}, cwd, is_bare=True)


def build_trial_command(  # noqa: PLR0913 - each is another thing
    binary: str,
    environ: Mapping[str, str],
    cwd: str,
    options: Options,
    *,
    home: str,
    base_url: str,
    has_login: bool,
    plugin: str,
) -> Command:
    """The command of a process that is tried: as offline, and `has_login` with a dummy login."""
    offline = build_offline_command(
        binary, environ, cwd, options, home=home, base_url=base_url, plugin=plugin
    )
    if not has_login:
        return offline
    login = {**offline.environ, "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-dummy"}
    del login["ANTHROPIC_API_KEY"]
    return Command(_argv(binary, options, plugin, is_bare=False), login, cwd, is_bare=False)


def _temporary(plugin: str) -> dict[str, str]:
    """Where such a process keeps what it makes for its own: without `--bare`, there is some."""
    return {"TMPDIR": str(Path(plugin).parent)} if plugin else {}


def _argv(binary: str, options: Options, plugin: str, *, is_bare: bool) -> tuple[str, ...]:
    """With `--bare` no agent of a plugin is ever loaded: what it does is set for each turn."""
    if plugin:
        mode = [f"--plugin-dir={plugin}", "--system-prompt-snapshot=off"]
    else:
        mode = ["--bare"] if is_bare else []
    return (binary, *_ARGUMENTS, *options.arguments(), *mode)


def _completed(kept: Mapping[str, str], options: Options) -> dict[str, str]:
    return {**kept, **FIXED_ENVIRONMENT, MAX_RETRIES: str(options.max_retries), **options.env}

"""What a setting's own type and bounds do not say: settings that concern each other, or the world.

Each function reads one thing out of the settings, and raises `SettingsError` with every reason why
it cannot: `check` calls them all, so that the command line can tell before anything is started.
"""

import os
import re

import attrs

from trioproxy.api_keys import DEFAULT, as_hashed, check_stored
from trioproxy.claude.command import FIXED_ENVIRONMENT, MAX_RETRIES, Options
from trioproxy.claude.inherited import SET_PER_TURN, pass_env_problem
from trioproxy.forward.api import NAME as COUNT_TOKENS
from trioproxy.forward.connection import check_proxy, check_url
from trioproxy.forward.upstream import Upstream, check_name, read_upstream
from trioproxy.settings import (
    AuthSettings,
    ClaudeSettings,
    PoolSettings,
    ServerSettings,
    Settings,
    SettingsError,
)
from trioproxy.settings.values import shorten


def check(settings: Settings) -> None:
    """Raises `SettingsError` with the first kind of problem, every reason of that kind."""
    _check_tokens(settings.auth)
    _check_sites(settings.server)
    read_upstreams(settings)
    read_options(settings.claude)
    read_cwd(settings.claude.cwd)
    takes_any_prompt(settings)


def keeps_conversations(settings: PoolSettings, options: Options) -> bool:
    """Whether some of a conversation stands in a process for the next turn."""
    is_reused = settings.enabled and settings.reuse == "rewind"
    return settings.keep_conversations and is_reused and not options.own_tools


def takes_any_prompt(settings: Settings) -> bool:
    """Whether a process takes any system prompt.

    Not with tools of the CLI's own, which could write the files that this is done with; nor where
    each serves once. Raises `SettingsError` where the settings say both.
    """
    has_own_tools = bool(settings.claude.tools or settings.claude.mcp_config)
    if settings.pool_settings.binding == "any" and has_own_tools:
        raise SettingsError(
            ['pool_settings.binding: cannot be "any" with `[claude] tools` or `mcp_config`']
        )
    pool = settings.pool_settings
    serves_once = not pool.enabled or pool.reuse == "never"
    return not (pool.binding == "fixed" or has_own_tools or serves_once)


def _check_tokens(auth: AuthSettings) -> None:
    problems = []
    for name, stored in {"": auth.token, **auth.tokens}.items():
        try:
            if name or stored:
                check_stored(stored)
        except ValueError as error:
            problems.append(f"auth.tokens: {name!r}: {error}" if name else f"auth.token: {error}")
    if "" in auth.tokens:
        problems.append("auth.tokens: a token must have a name")
    if auth.token and DEFAULT in auth.tokens:
        problems.append(f"auth.tokens: {DEFAULT!r} is reserved for `token`, or AUTH_TOKEN")
    everyone = [*auth.tokens.values(), *([auth.token] if auth.token else [])]
    if len(set(map(as_hashed, everyone))) < len(everyone):
        problems.append("auth.tokens: two tokens are equal")
    if problems:
        raise SettingsError(problems)


def _check_sites(server: ServerSettings) -> None:
    problems = [
        f"server.allowed_origins: {allowed_origin!r} must be an origin such as https://app.example"
        for allowed_origin in server.allowed_origins
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[a-z0-9.\[\]:-]+", allowed_origin)
    ]
    problems += [
        f"server.allowed_hosts: {allowed_host!r} must be a host name such as my.example"
        for allowed_host in server.allowed_hosts
        if not re.fullmatch(r"[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]", allowed_host)
    ]
    if problems:
        raise SettingsError(problems)


def read_upstreams(settings: Settings) -> dict[str, Upstream]:
    """Where requests may go, and where tokens are counted if there is a key for it."""
    upstreams, problems = {}, []
    named = settings.http_pool.upstreams.items()
    candidates = [(f"http_pool.upstreams: {name!r}", name, url) for name, url in named]
    if settings.count_tokens.api_key:
        candidates.append(("count_tokens.base_url", COUNT_TOKENS, settings.count_tokens.base_url))
    for setting, name, url in candidates:
        try:
            if name != COUNT_TOKENS:
                check_name(name)
            upstreams[name] = read_upstream(name, url)
            check_url(url)
        except ValueError as error:
            problems.append(f"{setting}: {error}")
    if settings.http_pool.proxy:
        try:
            check_proxy(settings.http_pool.proxy)
        except ValueError as error:
            problems.append(f"http_pool.proxy: {error}")
    if problems:
        raise SettingsError(problems)
    return upstreams


def read_options(claude: ClaudeSettings) -> Options:
    """The options of every CLI process."""
    fixed = {*FIXED_ENVIRONMENT, *SET_PER_TURN}
    ours = "is set by this server"
    problems = [f"claude.env: {name} {ours}" for name in claude.env if name in fixed]
    for name in claude.pass_env:
        problem = ours if name in {*fixed, MAX_RETRIES} else pass_env_problem(name)
        if problem is not None:
            problems.append(f'claude.pass_env: "{shorten(name)}" {problem}')
    if problems:
        raise SettingsError(problems)
    same = (field.name for field in attrs.fields(Options))
    return Options(**{name: getattr(claude, name) for name in same})


def read_cwd(cwd: str) -> str:
    """The working directory of `[claude] cwd`, absolute; empty if it is not set."""
    if not cwd:
        return ""
    directory = os.path.abspath(os.path.expanduser(cwd))
    if not os.path.isdir(directory):
        raise SettingsError([f"claude.cwd: no such directory: {directory!r}"])
    return directory

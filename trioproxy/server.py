"""All that a server consists of, opened in order, and closed in the reverse order.

stand-in (offline only) > forward client > watcher > guard > pool > web app
"""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
from attrs import evolve, frozen

from trioproxy.asgi_server.watcher import open_watcher
from trioproxy.asgi_server.workers import wait_parent_gone
from trioproxy.claude.binary import find_binary, wheel_binary
from trioproxy.claude.command import (
    Command,
    Options,
    build_command,
    build_offline_command,
    is_bare,
)
from trioproxy.claude.prompts import PromptSlots, write_plugin
from trioproxy.claude.session import Session
from trioproxy.conformance.start import FirstTrial
from trioproxy.conformance.version import newer
from trioproxy.dialects.anthropic.request import RequestDefaults
from trioproxy.forward.api import ApiClient
from trioproxy.forward.client import ForwardClient, open_forward_client
from trioproxy.forward.upstream import read_upstream
from trioproxy.pool.guard import Guard, open_guard
from trioproxy.pool.pool import Pool, open_pool
from trioproxy.pool.process import Launch, open_process
from trioproxy.settings import PoolSettings, Settings
from trioproxy.standin import StandIn, serve_standin
from trioproxy.validation import (
    check,
    keeps_conversations,
    read_cwd,
    read_options,
    read_upstreams,
)
from trioproxy.web.app import WebConfig, create_web
from trioproxy.web.gate.middleware import RequestMiddleware
from trioproxy.web.observe.cli_facts import CliFacts
from trioproxy.workplace import open_workplace

logger = logging.getLogger("trioproxy.app")

_BANNER = (
    "OFFLINE: every answer comes from the stand-in on this machine, none from a model. "
    "Unset `[claude] offline` (CLAUDE__OFFLINE) to use your account."
)


_SHARED_TOOLS = (
    "[STARTUP] The CLI's own tools are on, and there are several tokens: what the tools of one "
    "caller leave on this machine, those of another can read."
)


_BOUND = (
    "Each process is bound to its first system prompt, since this Claude CLI cannot be given "
    "another"
)


@frozen
class Server:
    """An open server: its web app, its two pools, and the stand-in when it is offline."""

    web: RequestMiddleware
    pool: Pool
    client: ForwardClient
    standin: StandIn | None


@asynccontextmanager
async def open_server(settings: Settings, environ: Mapping[str, str]) -> AsyncGenerator[Server]:
    """Everything that answers, for as long as the block lasts.

    Raises `CliNotFound` or `SettingsError` before anything is started. Entering waits for the
    first process to have booted, or to have failed to: the others boot meanwhile.
    """
    binary = find_binary(settings.claude.cli_path, environ, wheel_binary())
    own_cwd = read_cwd(settings.claude.cwd)
    options = read_options(settings.claude)
    pool_settings = settings.pool_settings
    check(settings)  # every problem is reported before anything is started
    _announce(pool_settings)
    with TemporaryDirectory(prefix="trioproxy-") as private:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_parent_gone)
            standin = StandIn() if settings.claude.offline else None
            home, plugin = (_new(private, name) for name in ("home", "plugin"))
            says_where = not (settings.claude.offline or is_bare(environ, options))
            cwd = own_cwd or (open_workplace(private) if says_where else _new(private, "work"))
            write_plugin(Path(plugin))
            if options.own_tools and len(settings.auth.tokens) + bool(settings.auth.token) > 1:
                logger.warning(_SHARED_TOOLS)
            build = partial(build_command, binary, environ, cwd, options, home=home)
            if standin is not None:
                base_url: str = await nursery.start(serve_standin, standin)
                build = partial(
                    build_offline_command,
                    *(binary, environ, cwd, options),
                    home=home,
                    base_url=base_url,
                )
                settings = _offline(settings, base_url)
                logger.warning(_BANNER)
            async with (
                open_forward_client(read_upstreams(settings), settings.http_pool) as client,
                open_watcher(settings.server.send_timeout) as watcher,
                open_guard(private) as guard,
            ):
                ways = _Ways(build, plugin, guard, pool_settings, options)
                trial = FirstTrial(binary, environ, settings, private)
                cli = CliFacts()
                cli.takes_any = trial.takes_any()
                launch, new_session = ways.of(takes_any=cli.takes_any is True)
                async with open_pool(
                    pool_settings,
                    launch,
                    max_line_size=settings.claude.max_line_size,
                    new_session=new_session,
                ) as pool:
                    nursery.start_soon(_announce_when_warm, pool)  # noqa: ASYNC111 - only waits
                    nursery.start_soon(_find_out, cli, trial, pool, ways)  # noqa: ASYNC111
                    config = WebConfig(
                        settings.server,
                        settings.auth,
                        settings.logging,
                        _defaults(settings),
                        settings.openai,
                        settings.pool_settings,
                        cli,
                        is_offline=standin is not None,
                    )
                    counting = settings.count_tokens
                    api = ApiClient(client, counting.api_key, counting.timeout)
                    web = create_web(
                        *(pool, client, watcher, config),
                        api if counting.api_key else None,
                    )
                    yield Server(web, pool, client, standin)
            nursery.cancel_scope.cancel(reason="the server is closed")


async def _find_out(cli: CliFacts, trial: FirstTrial, pool: Pool, ways: "_Ways") -> None:
    """Find out what can be relied on in the CLI, beside the first processes."""
    cli.version = await trial.version()
    if words := newer(cli.version):
        cli.problems.append(words)
        logger.info("[STARTUP] %s", words)
    if cli.takes_any is not None:
        return
    logger.info("[STARTUP] Trying what this Claude CLI can do, once")
    problem = await trial.find_binding_problem()
    cli.takes_any = not problem
    if problem:
        cli.problems.append(f"{_BOUND}: {problem}")
        logger.warning("[STARTUP] %s: %s", _BOUND, problem)
    else:
        pool.renew(*ways.of(takes_any=True))
        logger.info("[STARTUP] Each Claude process takes any system prompt from now on")


@frozen
class _Ways:
    """The two ways to start a process: one takes any system prompt, the other its first alone."""

    build: Callable[..., Command]
    plugin: str
    guard: Guard
    settings: PoolSettings
    options: Options

    def of(self, *, takes_any: bool) -> tuple[Launch, Callable[[], Session]]:
        """How to start one, and the memory of one."""
        command = self.build(plugin=self.plugin if takes_any else "")
        launch = partial(
            open_process, command, self.guard, stop_timeout=self.settings.stop_timeout
        )
        return launch, partial(self._new_session, command, takes_any=takes_any)

    def _new_session(self, command: Command, *, takes_any: bool) -> Session:
        return Session(
            command.betas,
            self.options.own_tools,
            PromptSlots() if takes_any else None,
            command.is_bare,
            prompt_timeout=self.settings.idle_timeout,
            keeps=keeps_conversations(self.settings, self.options),
        )


def _offline(settings: Settings, standin_url: str) -> Settings:
    """Settings with the stand-in in place of every upstream that is not on this machine."""
    upstreams = {
        name: url if read_upstream(name, url).is_local else standin_url
        for name, url in settings.http_pool.upstreams.items()
    }
    return evolve(
        settings,
        http_pool=evolve(settings.http_pool, upstreams=upstreams, proxy=""),
        count_tokens=evolve(settings.count_tokens, api_key="offline", base_url=standin_url),
    )


def _defaults(settings: Settings) -> RequestDefaults:
    """The operator's defaults and limits for requests."""
    claude = settings.claude
    return RequestDefaults(
        model=claude.model,
        system=claude.system_prompt,
        max_messages=settings.server.max_messages,
        own_tools=bool(claude.tools or claude.mcp_config),
    )


def _new(private: str, name: str) -> str:
    directory = Path(private, name)
    directory.mkdir()
    return str(directory)


def _announce(settings: PoolSettings) -> None:
    if not settings.enabled:
        logger.info("[STARTUP] Claude connection pooling is disabled")
        return
    logger.info("[STARTUP] Configuring connection pool manager...")
    logger.info(
        "[POOL_MANAGER] Claude instance pool configured (min: %d, max: %d)",
        settings.min_size,
        settings.max_size,
    )


async def _announce_when_warm(pool: Pool) -> None:
    await pool.wait_warm()
    if pool.is_enabled and pool.trouble is None:
        logger.info("[STARTUP] Claude connection pool initialized successfully")

"""`trioproxy serve`."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import click

from trioproxy import logs
from trioproxy.cli import options
from trioproxy.settings import load_settings

logger = logging.getLogger("trioproxy.app")


@click.command("serve")
@click.option(
    "--host",
    metavar="HOST",
    default=options.HOST,
    show_default=True,
    help="Address to listen on.",
)
@options.PORT
@options.OFFLINE
@click.option(
    "--workers",
    metavar="NUMBER",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of server processes that share the port, each with its own pool.",
)
@click.option(
    "--expose", is_flag=True, help="Allow a --host that other machines can reach, without a token."
)
@options.CONFIG
@click.pass_context
def command(  # noqa: PLR0913 - each is an option
    ctx: click.Context,
    *,
    host: str,
    port: int,
    offline: bool,
    workers: int,
    expose: bool,
    config: str | None,
) -> None:
    """Serve the APIs until Ctrl-C or SIGTERM.

    Settings come from the file and the environment: see `trioproxy config show`.
    """
    from trioproxy.serving import serve  # noqa: PLC0415 - it takes half a second

    environ = options.environment(os.environ, config=config, offline=offline)
    loaded = load_settings(environ, Path())
    settings = loaded.settings
    _take_on(environ)
    if workers == 1:  # several load the settings themselves, and log this themselves
        logs.configure(settings.logging.level, settings.logging.format)
        for warning in loaded.warnings:
            logger.warning("[STARTUP] %s", warning)
    status = serve(settings, environ, host=host, port=port, workers=workers, is_exposed=expose)
    ctx.exit(status)


def _take_on(environ: Mapping[str, str]) -> None:
    """Make it the environment of this process: workers are children, and read it for themselves.

    Without it, those of `--offline --workers 2` would ask the operator's account.
    """
    for name in os.environ.keys() - environ.keys():
        del os.environ[name]
    os.environ.update(environ)

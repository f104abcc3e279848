"""Options that several commands share, and the environment that they make."""

from collections.abc import Mapping

import click

HOST = "127.0.0.1"

CONFIG = click.option(
    "--config",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Settings file, .toml or .json.  [default: CCPROXY_CONFIG, else "
    "ccproxy.toml or .ccproxy.toml in this directory]",
)
OFFLINE = click.option(
    "--offline",
    is_flag=True,
    help="Answer from the stand-in on this machine: no account, no model.",
)
PORT = click.option(
    "--port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 picks a free one.",
)


def environment(
    environ: Mapping[str, str], *, config: str | None = None, offline: bool = False
) -> dict[str, str]:
    """`environ`, with what these options say in the place of what it says itself."""
    given = {}
    if config is not None:
        given["CCPROXY_CONFIG"] = config
    if offline:
        given["CLAUDE__OFFLINE"] = "true"
    kept = {name: value for name, value in environ.items() if name.upper() not in given}
    return {**kept, **given}

"""`trioproxy token`."""

import re

import click

from trioproxy import api_keys
from trioproxy.cli.render import quoted

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")

_TEXT = """\
The token, for the client; it is not shown again:

  {token}

The client sends it in one of these headers with each request. Set it as the api_key of an
Anthropic or OpenAI client:

  Authorization: Bearer {token}
  x-api-key: {token}

Its hash, for the server's ccproxy.toml; the token cannot be derived from it:

  [auth.tokens]
  {name} = "{hash}"
"""


@click.command("token")
@click.argument("name", default="client")
def command(*, name: str) -> None:
    """Make a token for a caller named NAME (default: "client").

    Nothing is stored: give the token to the client, and put its hash into ccproxy.toml.
    """
    if not (name and name.isprintable()):
        raise click.BadParameter("must be printable text", param_hint="NAME")
    click.echo(_text(name, api_keys.new_token()), nl=False)


def _text(name: str, token: str) -> str:
    key = name if _BARE_KEY.fullmatch(name) else quoted(name)
    return _TEXT.format(token=token, name=key, hash=api_keys.hashed(token))

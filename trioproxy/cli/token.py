"""`trioproxy token`."""

import re

import click

from trioproxy import api_keys
from trioproxy.cli.render import quoted

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")

_TEXT = """\
The token, for the client. It is shown this once:

  {token}

The client sends it with each request, in one of these headers; clients of Anthropic's and of
OpenAI's API do so when it is their api_key:

  Authorization: Bearer {token}
  x-api-key: {token}

Its hash, for the server's ccproxy.toml, from which nobody can tell the token:

  [auth.tokens]
  {name} = "{hash}"
"""


@click.command("token")
@click.argument("name", default="client")
def command(*, name: str) -> None:
    """Make a token for a caller, by the name of NAME ("client").

    Nothing is stored: hand the token to the client, and put its hash into ccproxy.toml.
    """
    if not (name and name.isprintable()):
        raise click.BadParameter("a name is printable text", param_hint="NAME")
    click.echo(_text(name, api_keys.new_token()), nl=False)


def _text(name: str, token: str) -> str:
    key = name if _BARE_KEY.fullmatch(name) else quoted(name)
    return _TEXT.format(token=token, name=key, hash=api_keys.hashed(token))

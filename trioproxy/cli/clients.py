"""Pure: programs that ask this server, and what each needs for it."""

from collections.abc import Mapping
from shlex import quote
from string import Template

from attrs import field, frozen

ADDRESS = "http://127.0.0.1:8000"
MODEL = "claude-sonnet-5-5"
NO_TOKEN = "unused"  # noqa: S105 - a server without tokens takes any
YOUR_TOKEN = "YOUR_TOKEN"  # noqa: S105 - a placeholder


@frozen
class Server:
    """What a client must know: an address without a path, a token, a model's name."""

    url: str = ADDRESS
    token: str = NO_TOKEN
    model: str = MODEL


@frozen
class Client:
    """A program, or a package.

    In its texts, `$url`, `$token` and `$model` stand for what the server has.
    """

    name: str
    """What `trioproxy connect` calls it."""
    title: str
    environ: Mapping[str, str] = field(factory=dict)
    """Variables of the environment."""
    file: str = ""
    """A file of its settings, below the user's home; empty: it needs none."""
    content: str = ""
    """What the file says."""
    setup: str = ""
    """A command that writes its settings; empty: it has none, or none that can."""
    start: str = ""
    """How it is started; empty: by a program of the user's."""
    by_hand: str = ""
    """What its user sets in a window; empty: nothing."""

    def variables(self, server: Server) -> dict[str, str]:
        """Its variables, filled in."""
        return {name: _filled(text, server) for name, text in self.environ.items()}

    def settings(self, server: Server) -> str:
        """Its file, filled in."""
        return _filled(self.content, server)

    def steps(self, server: Server) -> str:
        """What its user sets in a window, filled in."""
        return _filled(self.by_hand, server)

    def commands(self, server: Server) -> tuple[str, str]:
        """How it is set up, and how it is started, filled in for a shell."""
        quoted = Server(quote(server.url), quote(server.token), quote(server.model))
        setup, start = (_filled(text, quoted) for text in (self.setup, self.start))
        return setup, start


def _filled(text: str, server: Server) -> str:
    return Template(text).substitute(url=server.url, token=server.token, model=server.model)


_CODEX = """\
model = "$model"
model_provider = "trioproxy"

[model_providers.trioproxy]
name = "trioproxy"
base_url = "$url/v1"
wire_api = "responses"
env_key = "TRIOPROXY_TOKEN"
"""

_OPENCODE = """\
{
  "model": "anthropic/$model",
  "provider": {
    "anthropic": {
      "options": {"baseURL": "$url/v1", "apiKey": "$token"},
      "models": {"$model": {}}
    }
  }
}
"""

_CLAUDE = {
    "ANTHROPIC_BASE_URL": "$url",
    "ANTHROPIC_AUTH_TOKEN": "$token",
    "ANTHROPIC_MODEL": "$model",
}

_PI = """\
{
  "providers": {
    "trioproxy": {
      "baseUrl": "$url",
      "api": "anthropic-messages",
      "apiKey": "$token",
      "models": [{"id": "$model", "reasoning": true, "input": ["text", "image"]}]
    }
  }
}
"""

_CONTINUE = """\
name: trioproxy
version: 1.0.0
schema: v1
models:
  - name: Claude
    provider: anthropic
    model: "$model"
    apiBase: "$url/v1"
    apiKey: "$token"
    roles: [chat, edit, apply]
"""

_LLM = """\
- model_id: trioproxy
  model_name: "$model"
  api_base: "$url/v1"
  vision: true
  supports_tools: true
  supports_schema: true
"""

_ALL = (
    Client("claude", "Claude Code", _CLAUDE, start="claude"),
    Client("agent-sdk", "Claude Agent SDK", _CLAUDE),
    Client(
        "codex",
        "Codex",
        {"TRIOPROXY_TOKEN": "$token"},
        file=".codex/config.toml",
        content=_CODEX,
        start="codex",
    ),
    Client(
        "opencode",
        "opencode",
        file=".config/opencode/opencode.json",
        content=_OPENCODE,
        start="opencode",
    ),
    Client(
        "aider",
        "aider",
        {
            "ANTHROPIC_API_BASE": "$url",
            "ANTHROPIC_API_KEY": "$token",
            "AIDER_MODEL": "anthropic/$model",
        },
        start="aider",
    ),
    Client(
        "qwen-code",
        "Qwen Code",
        {
            "OPENAI_BASE_URL": "$url/v1",
            "OPENAI_API_KEY": "$token",
            "OPENAI_MODEL": "$model",
        },
        start="qwen",
    ),
    Client(
        "pi",
        "pi",
        file=".pi/agent/models.json",
        content=_PI,
        start="pi --model trioproxy/$model",
    ),
    Client(
        "cline",
        "Cline's CLI",
        setup="cline auth -p openai -b $url/v1 -k $token -m $model",
        start="cline",
    ),
    Client(
        "continue",
        "Continue's CLI",
        file=".continue/config.yaml",
        content=_CONTINUE,
        start="cn",
    ),
    Client(
        "mini-swe-agent",
        "mini-swe-agent",
        {
            "ANTHROPIC_API_BASE": "$url",
            "ANTHROPIC_API_KEY": "$token",
            "MSWEA_MODEL_NAME": "anthropic/$model",
            "MSWEA_COST_TRACKING": "ignore_errors",
        },
        start="mini",
    ),
    Client(
        "llm",
        "llm",
        {"OPENAI_API_KEY": "$token"},
        file=".config/io.datasette.llm/extra-openai-models.yaml",
        content=_LLM,
        by_hand="on macOS the folder is ~/Library/Application Support/io.datasette.llm.",
        start="llm -m trioproxy 'Hello!'",
    ),
    Client(
        "open-webui",
        "Open WebUI",
        {"OPENAI_API_BASE_URL": "$url/v1", "OPENAI_API_KEY": "$token"},
        start="open-webui serve",
    ),
    Client(
        "librechat",
        "LibreChat",
        {
            "ANTHROPIC_REVERSE_PROXY": "$url",
            "ANTHROPIC_API_KEY": "$token",
            "ANTHROPIC_MODELS": "$model",
        },
    ),
    Client(
        "home-assistant",
        "Home Assistant",
        {
            "OPENAI_BASE_URL": "$url/v1",
            "OPENAI_API_KEY": "$token",
            "ANTHROPIC_BASE_URL": "$url",
            "ANTHROPIC_API_KEY": "$token",
        },
        by_hand="Settings, Devices & services: add OpenAI or Anthropic, with the API key $token "
        "and the model $model. Neither asks for an address: both take it from the environment.",
    ),
    Client(
        "cursor",
        "Cursor",
        by_hand="Settings, Models: the OpenAI API key $token, the override of OpenAI's base URL "
        "$url/v1, and a custom model $model. Cursor's own servers ask that address, so it must "
        "be one that they reach: name it with --url.",
    ),
    Client(
        "anthropic",
        "the anthropic packages",
        {"ANTHROPIC_BASE_URL": "$url", "ANTHROPIC_API_KEY": "$token"},
    ),
    Client(
        "openai",
        "the openai packages",
        {"OPENAI_BASE_URL": "$url/v1", "OPENAI_API_KEY": "$token"},
    ),
)

CLIENTS: Mapping[str, Client] = {client.name: client for client in _ALL}

"""The settings, by section: each a line with name, type, default, meaning and bounds.

The meaning and the bounds stand in the field's attrs metadata, under "doc" and the keys of
`FieldRules`: a schema can be made of `attrs.fields`, or of `FIELDS`, alone. The reasons for the
defaults stand in ccproxy.toml, where an operator reads them.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypedDict, TypeVar, Unpack

import attrs

from trioproxy.settings.values import show

T = TypeVar("T")


class FieldRules(TypedDict, total=False):
    """The bounds of a setting, and its other names."""

    at_least: int
    above: int
    up_to: str  # the setting of the same section that it may not exceed: checked on loading
    also: str  # another environment variable, weaker than SECTION__KEY
    formerly: str  # its old key in the same section, which is still read
    is_secret: bool  # never shown


def setting(default: T, doc: str, **rules: Unpack[FieldRules]) -> T:
    """Make the field of one setting."""
    return attrs.field(
        default=default,
        validator=_in_bounds,
        repr=not rules.get("is_secret", False),
        metadata={"doc": doc, **rules},
    )


def _in_bounds(_instance: object, field: "attrs.Attribute[Any]", value: Any) -> None:  # noqa: ANN401 - any setting's
    at_least, above = field.metadata.get("at_least"), field.metadata.get("above")
    shown = show(value).removesuffix(".0")  # seconds are typed as 5, and kept as 5.0
    if at_least is not None and not value >= at_least:  # nan is not >= anything
        raise ValueError(f"must be at least {at_least}, not {shown}")
    if above is not None and not value > above:
        raise ValueError(f"must be greater than {above}, not {shown}")


@attrs.frozen(kw_only=True)
class ServerSettings:
    """Limits on clients: sizes, times, connections, and which sites may connect."""

    max_body_size: int = setting(33_554_432, "maximum size of a request body, bytes", at_least=1)
    body_timeout: float = setting(60.0, "seconds to receive a whole request body", above=0)
    send_timeout: float = setting(60.0, "seconds for a client to read what was sent", above=0)
    max_messages: int = setting(10_000, "maximum messages in one request", at_least=1)
    ping_interval: float = setting(
        15.0, "seconds of silence before a stream sends a ping", above=0
    )
    status_timeout: float = setting(
        15.0, "seconds before a stream starts even without an event; 0: never", at_least=0
    )
    max_header_size: int = setting(
        65_536, "maximum size of the request head, bytes", at_least=1024
    )
    keep_alive_timeout: float = setting(
        60.0, "seconds before an idle client connection is closed", above=0
    )
    max_connections: int = setting(2_000, "maximum client connections", at_least=1)
    max_concurrent_requests: int = setting(
        1_000, "concurrent requests of all callers", at_least=1, formerly="max_requests"
    )
    expose: bool = setting(False, "accept remote clients without a token")
    allowed_hosts: tuple[str, ...] = setting((), "Host names this server answers to")
    allowed_origins: tuple[str, ...] = setting((), "sites whose web pages may send requests")


@attrs.frozen(kw_only=True)
class AuthSettings:
    """Tokens, and the rate limits of each."""

    token: str = setting("", "one token for all callers", also="AUTH_TOKEN", is_secret=True)
    tokens: Mapping[str, str] = setting({}, "tokens by name, plain or hashed", is_secret=True)
    max_concurrent: int = setting(0, "concurrent requests per token; 0: unlimited", at_least=0)
    max_per_minute: int = setting(0, "requests per minute per token; 0: unlimited", at_least=0)


@attrs.frozen(kw_only=True)
class PoolSettings:
    """Size of the pool of CLI processes, and its timeouts."""

    enabled: bool = setting(True, "keep processes; if false, each request starts its own")
    min_size: int = setting(2, "processes kept running", at_least=0, up_to="max_size")
    max_size: int = setting(10, "maximum processes", at_least=1)
    binding: Literal["auto", "any", "fixed"] = setting(
        "auto", "whether a process takes any system prompt, or is bound to its first"
    )
    idle_timeout: float = setting(300.0, "seconds before a surplus idle process ends", above=0)
    warmup_on_startup: bool = setting(True, "start min_size processes before the first request")
    health_check_interval: float = setting(60.0, "seconds between health checks", above=0)
    health_timeout: float = setting(5.0, "seconds for a process to respond", above=0)
    write_timeout: float = setting(
        10.0, "seconds for a process to read a request, and again for each 10 MB", above=0
    )
    acquire_timeout: float = setting(5.0, "seconds a request waits for a process", above=0)
    max_waiting: int = setting(100, "maximum requests waiting for a process", at_least=0)
    reuse: Literal["rewind", "never"] = setting("rewind", "whether a process serves again")
    keep_conversations: bool = setting(True, "whether a conversation goes on where it stands")
    conversation_timeout: float = setting(
        300.0, "seconds that a conversation is kept in an idle process", above=0
    )
    max_requests: int = setting(2_000, "turns before a process is replaced", at_least=1)
    max_rss: int = setting(536_870_912, "bytes of memory before it is replaced", at_least=1)
    boot_timeout: float = setting(30.0, "seconds for a process to start", above=0)
    first_event_timeout: float = setting(600.0, "seconds for an answer to begin", above=0)
    event_timeout: float = setting(600.0, "seconds between two events of an answer", above=0)
    turn_timeout: float = setting(3600.0, "seconds for a whole answer", above=0)
    reset_timeout: float = setting(5.0, "seconds to reset a used process", above=0)
    drain_timeout: float = setting(30.0, "seconds to finish running answers on stop", at_least=0)
    stop_timeout: float = setting(2.0, "seconds for each step of stopping a process", above=0)


@attrs.frozen(kw_only=True)
class ClaudeSettings:
    """The Claude CLI: which binary, and how it is run."""

    cli_path: str = setting("", "path of the CLI; empty: search PATH, then the wheel")
    offline: bool = setting(False, "answer from the stand-in API, without account or network")
    bare: Literal["auto", "always", "never"] = setting("auto", "whether to run it with --bare")
    model: str = setting("", "default model; empty: requests must name one")
    system_prompt: str = setting("", "default system prompt")
    tools: str = setting("", "the CLI's own tools, by name or `default`; empty: off")
    permission_mode: str = setting("", "--permission-mode for the CLI's own tools")
    mcp_config: str = setting("", "file of MCP servers, whose tools count as the CLI's own")
    max_turns: int = setting(10, "maximum API calls per answer with tools of its own", at_least=1)
    max_retries: int = setting(0, "retries by the CLI after an API error", at_least=0)
    extra_args: tuple[str, ...] = setting((), "additional command line arguments")
    env: Mapping[str, str] = setting({}, "additional environment variables", is_secret=True)
    pass_env: tuple[str, ...] = setting(
        (), "environment variables of this server to pass on; a trailing * matches any suffix"
    )
    cwd: str = setting("", "working directory; empty: a private empty one")
    max_line_size: int = setting(67_108_864, "maximum line of its output, bytes", at_least=65_536)


@attrs.frozen(kw_only=True)
class OpenAISettings:
    """Callers of OpenAI's API."""

    models: Mapping[str, str] = setting({}, "OpenAI model names, and the Claude model for each")
    web_search: bool = setting(False, "let the model search the web, which is billed per search")
    prompt_caching: bool = setting(True, "have the API cache tools, prompts and conversations")


@attrs.frozen(kw_only=True)
class CountTokensSettings:
    """The API that counts tokens, since the CLI cannot."""

    api_key: str = setting("", "API key; empty: count_tokens is off", is_secret=True)
    base_url: str = setting("https://api.anthropic.com", "base URL of the API")
    timeout: float = setting(30.0, "seconds for the API to answer", above=0)


@attrs.frozen(kw_only=True)
class HttpPoolSettings:
    """The forward proxy: its upstreams, and the pool of connections to each."""

    enabled: bool = setting(
        True,
        "keep connections; if false, each request opens its own",
        also="HTTP_POOL_ENABLED",
    )
    upstreams: Mapping[str, str] = setting(
        {"api": "https://api.anthropic.com"},
        "upstreams by name: /proxy/<name>/ forwards to the URL",
    )
    max_connections: int = setting(
        100, "maximum connections to an upstream", at_least=1, also="HTTP_MAX_CONNECTIONS"
    )
    max_keepalive_connections: int = setting(
        20,
        "maximum idle connections to an upstream",
        at_least=0,
        also="HTTP_MAX_KEEPALIVE_CONNECTIONS",
    )
    keepalive_expiry: float = setting(
        300.0, "seconds before an idle connection is closed", above=0, also="HTTP_KEEPALIVE_EXPIRY"
    )
    connect_timeout: float = setting(
        10.0, "seconds to connect to an upstream", above=0, also="HTTP_CONNECT_TIMEOUT"
    )
    read_timeout: float = setting(
        30.0, "seconds of silence from an upstream", above=0, also="HTTP_READ_TIMEOUT"
    )
    stream_read_timeout: float = setting(600.0, "seconds of silence in an event stream", above=0)
    write_timeout: float = setting(
        10.0, "seconds for an upstream to read what was sent", above=0, also="HTTP_WRITE_TIMEOUT"
    )
    pool_timeout: float = setting(
        5.0, "seconds a request waits for a connection", above=0, also="HTTP_POOL_TIMEOUT"
    )
    retries: int = setting(1, "retries of a request that no upstream acted on", at_least=0)
    health_check_interval: float = setting(
        60.0, "seconds between checks of idle connections", above=0
    )
    proxy: str = setting("", "HTTP proxy used to reach upstreams", is_secret=True)


@attrs.frozen(kw_only=True)
class LoggingSettings:
    """What is logged, and in which form."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = setting(
        "INFO", "lowest level that is logged", also="LOG_LEVEL"
    )
    format: Literal["text", "json"] = setting("text", "text lines, or one JSON object per line")
    requests: bool = setting(True, "log a line for each request")
    bodies: bool = setting(False, "log the bodies of requests and responses too")


@attrs.frozen
class Settings:
    """All sections; `Settings()` is the defaults."""

    server: ServerSettings = attrs.field(factory=ServerSettings)
    auth: AuthSettings = attrs.field(factory=AuthSettings)
    pool_settings: PoolSettings = attrs.field(factory=PoolSettings)
    claude: ClaudeSettings = attrs.field(factory=ClaudeSettings)
    openai: OpenAISettings = attrs.field(factory=OpenAISettings)
    count_tokens: CountTokensSettings = attrs.field(factory=CountTokensSettings)
    http_pool: HttpPoolSettings = attrs.field(factory=HttpPoolSettings)
    logging: LoggingSettings = attrs.field(factory=LoggingSettings)


# "pool_settings" to its class, and "pool_settings.min_size" to its field.
SECTIONS: Mapping[str, Any] = {section.name: section.type for section in attrs.fields(Settings)}
FIELDS: Mapping[str, "attrs.Attribute[Any]"] = {
    f"{section}.{field.name}": field
    for section, kind in SECTIONS.items()
    for field in attrs.fields(kind)
}

OBSOLETE: Mapping[str, str] = {
    "pool_settings.spare_size": "any process takes any system prompt",
}
"""Settings of earlier versions, by path, and why they are passed over."""

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
    """What a setting may have beside its type."""

    at_least: int
    above: int
    up_to: str  # the setting of the same section that it may not exceed: checked on loading
    also: str  # another environment variable, weaker than SECTION__KEY
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
    """What a client may send."""

    max_body_size: int = setting(33_554_432, "bytes of the longest request body", at_least=1)
    body_timeout: float = setting(60.0, "seconds to send a whole body in", above=0)
    send_timeout: float = setting(60.0, "seconds for a client to read what was sent", above=0)
    max_messages: int = setting(10_000, "messages of one request at most", at_least=1)
    ping_interval: float = setting(15.0, "seconds of silence until a stream has a ping", above=0)
    status_timeout: float = setting(
        15.0, "seconds until a stream begins though nothing has come; 0: never", at_least=0
    )
    max_header_size: int = setting(65_536, "bytes of a request's head", at_least=1024)
    keep_alive_timeout: float = setting(
        60.0, "seconds until a connection without a request is closed", above=0
    )
    max_connections: int = setting(2_000, "connections of clients at once", at_least=1)
    max_requests: int = setting(1_000, "requests at once, of all callers", at_least=1)
    expose: bool = setting(False, "answer other machines though no token is asked for")
    allowed_hosts: tuple[str, ...] = setting((), "names that this server is called by")
    allowed_origins: tuple[str, ...] = setting((), "sites whose web pages may ask")


@attrs.frozen(kw_only=True)
class AuthSettings:
    """Who may ask, and how much."""

    token: str = setting("", "a token of every caller's", also="AUTH_TOKEN", is_secret=True)
    tokens: Mapping[str, str] = setting({}, "tokens by name, plain or hashed", is_secret=True)
    max_concurrent: int = setting(0, "requests at once of one token; 0: any number", at_least=0)
    max_per_minute: int = setting(0, "requests a minute of one token; 0: any number", at_least=0)


@attrs.frozen(kw_only=True)
class PoolSettings:
    """How many CLI processes there are, and how long each thing that they do may take."""

    enabled: bool = setting(True, "whether processes are kept; if not, each request starts one")
    min_size: int = setting(2, "processes kept alive", at_least=0, up_to="max_size")
    max_size: int = setting(10, "processes at most", at_least=1)
    spare_size: int = setting(1, "unbound processes kept ready", at_least=0, up_to="max_size")
    idle_timeout: float = setting(300.0, "seconds until a surplus idle one is closed", above=0)
    warmup_on_startup: bool = setting(True, "boot min_size processes before the first request")
    health_check_interval: float = setting(60.0, "seconds between health checks", above=0)
    health_timeout: float = setting(5.0, "seconds for a sign of life", above=0)
    acquire_timeout: float = setting(5.0, "seconds a request waits for a process", above=0)
    max_waiting: int = setting(100, "requests that wait at most", at_least=0)
    reuse: Literal["rewind", "never"] = setting("rewind", "whether a process serves again")
    max_requests: int = setting(500, "turns after which a process is replaced", at_least=1)
    max_rss: int = setting(536_870_912, "bytes after which a process is replaced", at_least=1)
    boot_timeout: float = setting(30.0, "seconds for a process to become ready", above=0)
    first_event_timeout: float = setting(600.0, "seconds for an answer to begin", above=0)
    event_timeout: float = setting(600.0, "seconds between two events of an answer", above=0)
    turn_timeout: float = setting(3600.0, "seconds that one answer may take", above=0)
    reset_timeout: float = setting(5.0, "seconds to prove a used process clean", above=0)
    drain_timeout: float = setting(30.0, "seconds for running answers at a stop", at_least=0)
    stop_timeout: float = setting(2.0, "seconds for each step of stopping a process", above=0)


@attrs.frozen(kw_only=True)
class ClaudeSettings:
    """Which CLI is run, and how."""

    cli_path: str = setting("", "the CLI's binary; empty: search PATH, then the wheel")
    offline: bool = setting(False, "answer from the stand-in API, without account or network")
    bare: Literal["auto", "always", "never"] = setting("auto", "whether to run it with --bare")
    model: str = setting("", "the model of requests that name none; empty: they must")
    system_prompt: str = setting("", "the system prompt of requests that have none")
    tools: str = setting("", "its own tools, by name or `default`; empty: off")
    permission_mode: str = setting("", "its --permission-mode, for its own tools")
    mcp_config: str = setting("", "a file of MCP servers, whose tools are its own too")
    max_turns: int = setting(10, "API calls of one answer, with tools of its own", at_least=1)
    max_retries: int = setting(0, "times that it asks the API again after an error", at_least=0)
    extra_args: tuple[str, ...] = setting((), "more arguments of its command line")
    env: Mapping[str, str] = setting({}, "more variables of its environment", is_secret=True)
    pass_env: tuple[str, ...] = setting(
        (), "names of this server's variables that it has too; a * at the end: all that begin so"
    )
    cwd: str = setting("", "its working directory; empty: a private empty one")
    max_line_size: int = setting(67_108_864, "bytes of its longest line", at_least=65_536)


@attrs.frozen(kw_only=True)
class OpenAISettings:
    """What callers say that speak OpenAI's API."""

    models: Mapping[str, str] = setting({}, "their names of models, and Claude's for them")
    web_search: bool = setting(False, "whether the model may search the web, which costs money")


@attrs.frozen(kw_only=True)
class CountTokensSettings:
    """The API that counts tokens, which the CLI cannot."""

    api_key: str = setting("", "a key for it; empty: nothing is counted", is_secret=True)
    base_url: str = setting("https://api.anthropic.com", "where it is")
    timeout: float = setting(30.0, "seconds for it to answer", above=0)


@attrs.frozen(kw_only=True)
class HttpPoolSettings:
    """The forward proxy: where requests may go, and the connections that are kept."""

    enabled: bool = setting(
        True,
        "whether connections are kept; if not, each request has a client of its own",
        also="HTTP_POOL_ENABLED",
    )
    upstreams: Mapping[str, str] = setting(
        {"api": "https://api.anthropic.com"}, "where /proxy/<name>/ leads, by name"
    )
    max_connections: int = setting(
        100, "connections to an upstream at most", at_least=1, also="HTTP_MAX_CONNECTIONS"
    )
    max_keepalive_connections: int = setting(
        20, "of these, idle ones kept", at_least=0, also="HTTP_MAX_KEEPALIVE_CONNECTIONS"
    )
    keepalive_expiry: float = setting(
        300.0, "seconds until an idle one is closed", above=0, also="HTTP_KEEPALIVE_EXPIRY"
    )
    connect_timeout: float = setting(
        10.0, "seconds for an upstream to take a connection", above=0, also="HTTP_CONNECT_TIMEOUT"
    )
    read_timeout: float = setting(
        30.0, "seconds of an upstream's silence", above=0, also="HTTP_READ_TIMEOUT"
    )
    stream_read_timeout: float = setting(600.0, "the same in an event stream", above=0)
    write_timeout: float = setting(
        10.0, "seconds for an upstream to read", above=0, also="HTTP_WRITE_TIMEOUT"
    )
    pool_timeout: float = setting(
        5.0, "seconds a request waits for a connection", above=0, also="HTTP_POOL_TIMEOUT"
    )
    retries: int = setting(1, "more tries of a request that nobody acted on", at_least=0)
    health_check_interval: float = setting(60.0, "seconds between checks of idle ones", above=0)
    proxy: str = setting("", "an HTTP proxy on the way to upstreams", is_secret=True)


@attrs.frozen(kw_only=True)
class LoggingSettings:
    """What is logged."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = setting(
        "INFO", "the least severe level that is logged", also="LOG_LEVEL"
    )
    format: Literal["text", "json"] = setting("text", "lines for people, or a JSON object each")
    requests: bool = setting(True, "whether each request has a line")
    bodies: bool = setting(False, "whether a second line has the bodies of both directions")


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

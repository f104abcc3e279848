"""The presence of a client: what is held for a request ends with its ASGI call.

A Quart handler returns before its response is streamed, and a body generator whose client left
during `http.response.start` never starts: its `finally` never runs. So neither of them owns what
a request holds. The ASGI call does: it is there for as long as the client is, and leaving it, in
any way, gives everything back. Nothing that is held may need an await to be given back.

A call ends early for one of two reasons. The client has left: then there is nobody to tell. Or
the server stops, and Hypercorn cancels the call: then the client is told, by an `error` event in
a stream, or a 503 where nothing has been sent yet.

The head of a model's answer waits for the first of its body: until then it may become an error,
and then both go in one write.

The last send is shielded, with a deadline: at the end of a response quart-trio cancels itself
while Hypercorn is still at its own work of recycling or closing the connection.
"""

import logging
from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from secrets import token_hex
from typing import TypeAlias, TypeVar, cast

import trio
from attrs import define, field, frozen

from trioproxy import logs
from trioproxy.asgi_server.asgi import ASGIApp, Message, Receive, Scope, Send
from trioproxy.asgi_server.watcher import Watch, Watcher
from trioproxy.dialects.renderer import Renderer
from trioproxy.errors import InternalError, PoolClosed, TrioproxyError
from trioproxy.web.gate.access_policy import AccessPolicy
from trioproxy.web.gate.quota import Quota
from trioproxy.web.observe.notes import NOTES, as_header, product
from trioproxy.web.observe.registry import REFUSED, RequestRecord, RequestRegistry
from trioproxy.web.responses import as_error
from trioproxy.web.routes import table
from trioproxy.web.routes.table import Audience

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

logger = logging.getLogger("trioproxy.web")

_KEY = "trioproxy.call"
_LAST_SEND = 2.0

T = TypeVar("T")


@define(eq=False)
class RequestContext:
    """One request while its client is there."""

    record: RequestRecord
    reply: Renderer | None = None  # while an answer is streamed
    refusal: TrioproxyError | None = None
    head_waits: bool = False
    is_whole: bool = False
    watch: Watch | None = None
    _held: ExitStack = field(factory=ExitStack)

    @property
    def request_id(self) -> str:
        """What the client and the log know it by."""
        return self.record.id

    @contextmanager
    def holding(self) -> Generator["RequestContext"]:
        """The time for which things are held."""
        with self._held:
            yield self

    @property
    def is_watched(self) -> bool:
        """Whether the call ends when the client leaves, without its doing anything."""
        return self.watch is not None and self.watch.own_connection is not None

    def break_off(self) -> None:
        """Let nobody take what has been sent for a whole answer."""
        if self.watch is not None:
            self.watch.break_off()

    def wait_for_body(self, *, is_whole: bool) -> None:
        """Let the head of the response wait for the first of its body, and go with it.

        `is_whole`: that is all of it, and the head is to say how long it is.
        """
        self.head_waits, self.is_whole = True, is_whole

    def refuse(self, error: TrioproxyError) -> None:
        """Let the response whose head waits be `error` instead."""
        self.refusal = error

    def hold(self, held: AbstractContextManager[T]) -> T:
        """Enter `held`; it is left when the client has its answer, or is gone."""
        return self._held.enter_context(held)


def current_context(scope: object) -> RequestContext:
    """The call that an ASGI scope belongs to."""
    context: RequestContext = cast(Scope, scope)[_KEY]
    return context


@frozen
class Gate:
    """What every request meets before its route. `headers` go onto every response."""

    watcher: Watcher
    admission: AccessPolicy
    quota: Quota
    registry: RequestRegistry
    headers: Headers = ()


class RequestMiddleware:
    """An ASGI callable around another, which holds what each request holds."""

    def __init__(self, inner: ASGIApp, gate: Gate) -> None:
        self._inner = inner
        self.gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request_id = f"req_{token_hex(12)}"
        logs.request_id.set(request_id)
        with (
            self.gate.registry.record(request_id, scope["method"], scope["path"]) as record,
            RequestContext(record).holding() as context,
            trio.CancelScope() as gone,
            self.gate.watcher.watching(scope, gone) as watch,
        ):
            context.watch = watch
            record.client = _client(scope)
            response = _Response(context, scope, send, watch, self.gate.headers)
            record_usage = response.receiving(receive)
            try:
                await self._answer(context, scope, record_usage, response)
            except Exception:  # of what is below: Hypercorn would say a bare 500
                logger.exception("[API] %s failed", request_id)
                await response.fail()
            finally:
                if not gone.cancel_called:
                    with trio.move_on_after(_LAST_SEND, shield=True):
                        await response.end()

    async def _answer(
        self, context: RequestContext, scope: Scope, receive: Receive, response: "_Response"
    ) -> None:
        try:
            caller = self.gate.admission.admit(scope)
            context.record.caller = caller.token
            response.add(caller.cors)
            if table.audience(scope["path"]) is Audience.CALLER:
                context.hold(self.gate.quota.using(caller.token))
        except TrioproxyError as error:
            context.record.route = REFUSED
            await response.refuse(error)
            return
        if caller.is_preflight:
            await response.say(204, [])
            return
        headers = [
            header for header in scope["headers"] if header not in caller.credential_headers
        ]
        await self._inner({**scope, "headers": headers, _KEY: context}, receive, response.send)


class _Response:
    """What has been said to the client so far, and how to come to an end."""

    def __init__(
        self, context: RequestContext, scope: Scope, send: Send, watch: Watch, headers: Headers
    ) -> None:
        self._context = context
        self._scope = scope
        self._send = send
        self._watch = watch
        # The first name is Anthropic's, the second OpenAI's.
        names = (b"request-id", b"x-request-id")
        self._headers = [*((name, context.request_id.encode()) for name in names), *headers]
        self._start: Message | None = None  # while it waits for the first of the body
        self._is_refused = False
        self._has_started = False
        self._has_ended = False

    def add(self, headers: Headers) -> None:
        """Put more headers onto the response."""
        self._headers += headers

    def receiving(self, receive: Receive) -> Receive:
        """`receive`, with an ear for the client's leaving."""

        async def record_usage() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                self._has_ended = True
            else:
                self._context.record.asked(message.get("body", b""))
            return message

        return record_usage

    async def send(self, message: Message) -> None:
        """Pass a message on, the start with the first of the body where that is at hand."""
        if message["type"] == "http.response.start":
            headers = _merged(message.get("headers", ()), self._headers)
            message = {**message, "headers": headers}
            if self._context.head_waits:
                self._start = message
                return
        elif self._is_refused:
            return
        elif self._start is not None:
            if self._context.refusal is not None:
                await self.refuse(self._context.refusal)
                self._is_refused = True
                return
            start, self._start = self._start, None
            if self._context.is_whole:
                start["headers"].append((b"content-length", b"%d" % len(message["body"])))
            with self._watch.holding():
                await self._pass_on(start)
        await self._pass_on(message)

    async def _pass_on(self, message: Message) -> None:
        record = self._context.record
        if message["type"] == "http.response.start":
            self._has_started = True
            record.status = message["status"]
        elif body := message.get("body"):
            record.answered(body)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._has_ended = True
            with trio.move_on_after(_LAST_SEND, shield=True):
                await self._watch.sending(self._send, message)
        else:
            await self._watch.sending(self._send, message)

    async def say(
        self, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b""
    ) -> None:
        """A whole response."""
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    async def refuse(self, error: TrioproxyError) -> None:
        """An error as a response, in place of one that has not begun."""
        self._context.record.failed(error)
        self._context.head_waits = False
        self._start = None
        headers, body = as_error(error, self._scope, self._context.request_id)
        if notes := self._context.record.notes:  # the API has refused what was mended
            headers.append((NOTES, as_header(notes).encode()))
        await self.say(error.status, headers, body)

    async def fail(self) -> None:
        """The server has failed: say so, or break off what was begun."""
        self._context.record.failure = InternalError.type
        if not self._has_started:
            await self.refuse(InternalError("Internal error: see the server's log."))
        else:
            self._has_ended = True
            self._context.break_off()

    async def end(self) -> None:
        """The server stops: say so, if the client is there and waits for more."""
        if self._has_ended:
            return
        error = PoolClosed("The server is stopping.")
        if not self._has_started:
            await self.refuse(error)
        elif self._context.reply is not None:
            last = self._context.reply.failed(error, self._context.request_id)
            await self.send({"type": "http.response.body", "body": last})


def _client(scope: Scope) -> str:
    """The name that the client gives itself, or empty."""
    agents = (value for name, value in scope["headers"] if name == b"user-agent")
    return product(next(agents, b"").decode("latin-1"))


def _merged(
    said: Iterable[tuple[bytes, bytes]], ours: Iterable[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """What a route or an upstream says wins, but for who may read it: that is ours to say."""
    of_cors = {name for name, _ in ours if name.startswith(b"access-control-")}
    kept = [header for header in said if header[0] not in of_cors]
    names = {name for name, _ in kept} - {b"vary"}
    return kept + [header for header in ours if header[0] not in names]

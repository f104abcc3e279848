"""What one request has, and holds: found by its ASGI scope."""

from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar, cast

from attrs import define, field

from trioproxy.asgi_server.asgi import Scope
from trioproxy.asgi_server.watcher import Watch
from trioproxy.web.gate.response import ResponseSender
from trioproxy.web.observe.registry import RequestRecord

T = TypeVar("T")

_KEY = "trioproxy.context"


@define(eq=False)
class RequestContext:
    """One request, for as long as its client is there."""

    record: RequestRecord
    watch: Watch
    response: ResponseSender
    _held: ExitStack = field(factory=ExitStack)

    @property
    def request_id(self) -> str:
        """The id that the client and the log have for it."""
        return self.record.id

    @property
    def is_watched(self) -> bool:
        """Whether the watcher cancels the request when its client hangs up."""
        return self.watch.own_connection is not None

    @contextmanager
    def holding(self) -> Generator[None]:
        """The block for which things are held."""
        with self._held:
            yield

    def hold(self, held: AbstractContextManager[T]) -> T:
        """Enter `held`; it is left when the client has its response, or is gone."""
        return self._held.enter_context(held)

    def within(self, scope: Scope) -> Scope:
        """The scope with this context in it."""
        return {**scope, _KEY: self}


def current_context(scope: object) -> RequestContext:
    """The context of the request that an ASGI scope belongs to."""
    context: RequestContext = cast(Scope, scope)[_KEY]
    return context

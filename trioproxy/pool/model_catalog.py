"""The models of the account, as the CLI lists them: from the first process that is initialized.

When none has been yet and a caller asks, a process is started for this alone: a process of the
pool would have to be bound for it, to a prompt that nobody may use.
"""

from collections.abc import Iterable

import trio
from trio_util import AsyncValue

from trioproxy.claude.control import introduction
from trioproxy.claude.models import Models, needs_models, read_models, resolve
from trioproxy.claude.turn import Turn
from trioproxy.claude.wire import Line
from trioproxy.errors import BootFailed, PoolClosed, TrioproxyError
from trioproxy.pool.line_stream import LineStream
from trioproxy.pool.process import Launch


class ModelCatalog:
    """The models, once they are known."""

    def __init__(
        self, launch: Launch, nursery: trio.Nursery, boot_timeout: float, max_line_size: int
    ) -> None:
        self._launch = launch
        self._nursery = nursery
        self._boot_timeout = boot_timeout
        self._max_line_size = max_line_size
        self._known: AsyncValue[Models | TrioproxyError | None] = AsyncValue(None)
        self._is_asking = False

    @property
    def known(self) -> Models:
        """The models known so far; empty at first."""
        found = self._known.value
        return found if isinstance(found, Models) else Models()

    def on_initialized(self, initialized: Line) -> None:
        """Store the models of a process that was initialized."""
        if not self.known.listed:
            self._known.value = read_models(initialized)

    async def wait_models(self) -> Models:
        """The models; starts a process to ask if none are known. Raises `TrioproxyError`."""
        if not self._is_asking and not self.known.listed:
            self._known.value = None
            self._is_asking = True
            self._nursery.start_soon(self._ask)
        found = await self._known.wait_value(lambda value: value is not None)
        if isinstance(found, TrioproxyError):
            raise found.again()
        assert isinstance(found, Models)
        return found

    async def resolve(self, turn: Turn, offered: Iterable[str] | None = None) -> Turn:
        """The turn with its model's id; waits for the models if that depends on them.

        Raises as `claude.models.resolve` and `wait_models`.
        """
        models = self.known
        if not models.listed and needs_models(turn, offered):
            models = await self.wait_models()
        return resolve(turn, models, offered)

    async def _ask(self) -> None:
        found: Models | TrioproxyError = PoolClosed("The server is stopping.")
        try:
            async with self._launch() as pipes:
                found = await self._asked(LineStream(pipes, self._max_line_size))
        except BootFailed as error:  # the system could not even start it
            found = error
        finally:
            self._is_asking = False
            if not self.known.listed:
                self._known.value = found

    async def _asked(self, stream: LineStream) -> Models | TrioproxyError:
        initialized = introduction(binds=True)
        try:
            with trio.fail_after(self._boot_timeout):
                await stream.send(initialized.begin())
                while not initialized.is_answered:
                    initialized.receive(await stream.receive())
        except trio.TooSlowError:
            limit = f"{self._boot_timeout:g} s"
            return BootFailed(f"The Claude CLI did not answer within {limit}.", cause="silent")
        except TrioproxyError as error:
            return error
        return read_models(initialized.answer)

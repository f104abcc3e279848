"""A task, done twice: straight to a played model, and through this server."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import attrs
import orjson
from attrs import define, frozen

from tests.agents import results
from tests.agents.comparison import Difference, carried, repeated, request
from tests.agents.install import Program
from tests.agents.keeping import keepable
from tests.agents.mends import ANY
from tests.agents.recorded import Exchange
from tests.agents.runner import Ended, Place, make_place
from tests.agents.servers import Ways
from trioproxy.standin import RecordedRequest
from trioproxy.standin.script import Script

Drive: TypeAlias = Callable[[Place], Ended]
"""Runs the program in its place, to its end."""


@frozen
class Done:
    """What a program has done, and what the model was asked meanwhile."""

    ended: Ended
    files: Mapping[str, bytes]
    """All files of the repository, by path."""
    asked: list[RecordedRequest]
    """The requests that reached the API."""


Check: TypeAlias = Callable[[Done], None]
"""Asserts that the task was done, and rightly."""


@frozen
class Dialect:
    """An API that the stand-in does not speak, of which both are held against each other."""

    asked: Callable[[Sequence[Exchange]], list[Exchange]]
    """Those of the exchanges that asked the model."""
    lost: Callable[[Sequence[Exchange], Sequence[RecordedRequest]], list[str]]
    """Where what was said is not what reached the API."""


@define
class Play:
    """The tasks of one program."""

    program: Program
    task: str
    ways: Ways
    folder: Path

    @property
    def work(self) -> Path:
        """The repository, both times."""
        return self.folder / "place" / "work"

    def __call__(
        self,
        script: Script,
        drive: Drive,
        check: Check,
        files: Mapping[str, bytes] | None = None,
        *,
        said_by_the_api: str = "nothing",
    ) -> None:
        """Do the task straight, then through the server, and hold the one against the other.

        `said_by_the_api`: words of the errors that the model's script has, and so may come.
        """
        before = files or {}
        straight = self._run("straight", self.ways.straight, script, drive, before)
        if not self.ways.through:
            self._note(straight, before, [], None)
            check(straight)
            return
        check(straight)
        through = self._run("through", self.ways.through, script, drive, before)
        exchanges = [item for item in self.ways.exchanged() if item.is_messages]
        differences = _differences(straight, through, exchanges)
        faults = [
            exchange
            for exchange in exchanges
            if exchange.error and said_by_the_api not in exchange.error
        ]
        self._note(through, before, exchanges, len(differences), refused=len(faults))
        result = [*(f"{fault.status}: {fault.error}" for fault in faults), *map(str, differences)]
        (self.folder / "differences").write_text("\n".join(result))
        (self.folder / "exchanges.json").write_bytes(
            orjson.dumps(list(map(attrs.asdict, exchanges)))
        )
        refused = [f"{fault.status}: {fault.error}" for fault in faults]
        assert not refused, "\n".join(refused)
        check(through)
        assert not differences, "\n".join(map(str, differences))

    def through(
        self,
        script: Script,
        drive: Drive,
        check: Check,
        files: Mapping[str, bytes] | None = None,
        *,
        dialect: Dialect,
    ) -> None:
        """Do the task through the server alone, by another API than Anthropic's."""
        before = files or {}
        done = self._run("through", self.ways.through, script, drive, before)
        exchanges = dialect.asked(self.ways.exchanged())
        differences = dialect.lost(exchanges, done.asked)
        self._note(done, before, exchanges, len(differences))
        refused = [
            f"{exchange.status}: {exchange.error}" for exchange in exchanges if exchange.is_refused
        ]
        assert not refused, "\n".join(refused)
        check(done)
        assert not differences, "\n".join(differences)
        assert len(exchanges) == len(done.asked)

    def _run(
        self, way: str, url: str, script: Script, drive: Drive, files: Mapping[str, bytes]
    ) -> Done:
        # The same path both ways: programs tell the model where they are.
        place = make_place(self.folder / "place", url, files)
        self.ways.begin(script)
        ended = drive(place)
        done = Done(ended, place.files(), self.ways.arrived())
        place.root.rename(self.folder / way)
        (self.folder / way / "output").write_text(f"{ended.output}\n{ended.errors}")
        requests = orjson.dumps([attrs.asdict(item) for item in done.asked])
        (self.folder / way / "asked.json").write_bytes(requests)
        return done

    def _note(
        self,
        done: Done,
        before: Mapping[str, bytes],
        exchanges: list[Exchange],
        differences: int | None,
        refused: int = 0,
    ) -> None:
        written = [name for name, data in done.files.items() if before.get(name) != data]
        row = results.Row(
            program=self.program.name,
            version=self.program.version,
            task=self.task,
            files=len(written),
            requests=len(exchanges or done.asked),
            refused=refused,
            noted=sum(exchange.notes != "" for exchange in exchanges),
            differences=differences,
            kept=self.ways.kept(),
            keepable=keepable(done.asked) if exchanges else 0,
        )
        results.add(row)


def _differences(straight: Done, through: Done, exchanges: list[Exchange]) -> list[Difference]:
    sent = [
        request(
            exchange.body, exchange.headers, notes=ANY if exchange.is_refused else exchange.notes
        )
        for exchange in exchanges
    ]
    return [
        *repeated([request(item.body, item.headers) for item in straight.asked], sent),
        *carried(sent, [request(item.body, item.headers) for item in through.asked]),
    ]

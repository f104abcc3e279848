"""What came of each task, kept for the table that ends a run."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson
from attrs import asdict, frozen

from tests.agents.install import FOLDER

FILE = FOLDER / "results.jsonl"
BEGIN = "<!-- table -->"
END = "<!-- end of table -->"


@frozen
class Row:
    """One task of one program, through the server."""

    program: str
    version: str
    task: str
    files: int
    """Written by the program."""
    requests: int
    refused: int
    """Answered with a status of 400 or above, though the model was to answer."""
    noted: int
    """Answered with an `x-trioproxy-notes` header."""
    differences: int | None
    """Between what reached the API through the server and straight; None: there is no both."""
    kept: int = 0
    """Messages that stood in a process already when a request came."""
    keepable: int = 0
    """Those that could have."""


def clear() -> None:
    """Forget the last run."""
    FILE.unlink(missing_ok=True)


def add(row: Row) -> None:
    """Keep it. One write to a file that is open for appending: processes may share it."""
    with FILE.open("ab", buffering=0) as file:
        file.write(orjson.dumps(asdict(row), option=orjson.OPT_APPEND_NEWLINE))


def load() -> list[Row]:
    """The rows of this run, by program and in the order of their tasks."""
    if not FILE.exists():
        return []
    rows = [Row(**orjson.loads(line)) for line in FILE.read_bytes().splitlines()]
    return sorted(rows, key=lambda row: (row.program, row.task))


def table(rows: Iterable[Row]) -> str:
    """The rows in Markdown."""
    head = ["program", "task", "files", "requests", "refused", "noted", "differences", "kept"]
    lines = [head, ["---"] * len(head), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def write(path: Path, rows: Sequence[Row]) -> None:
    """Put the table between its marks."""
    before, _, rest = path.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{after}")


def _cells(row: Row) -> list[str]:
    counts = [row.files, row.requests, row.refused, row.noted]
    differences = "-" if row.differences is None else str(row.differences)
    kept = f"{row.kept} of {row.keepable}" if row.keepable else "-"
    return [f"{row.program} {row.version}", row.task, *map(str, counts), differences, kept]

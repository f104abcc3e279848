"""All that the server relies on in a CLI, part by part: for `trioproxy doctor --deep`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import evolve

from trioproxy.conformance.parts import OF_PROMPTS, Part
from trioproxy.conformance.start import subject_of
from trioproxy.conformance.trial import Subject, find_problem
from trioproxy.pool.guard import open_guard
from trioproxy.settings import Settings


def parts_of(
    binary: str, environ: Mapping[str, str], settings: Settings
) -> Iterator[tuple[Part, Subject]]:
    """Each part, and what it is tried on: as the server with these settings starts it."""
    subject = subject_of(binary, environ, settings)
    for part in Part:
        if subject.takes_any or part not in OF_PROMPTS:
            yield part, subject


async def problem_of(part: Part, subject: Subject) -> str:
    """What does not hold; empty: all does.

    A server whose processes cannot be given another prompt binds each to one: so a part is tried
    on such a process too, before it is said not to hold.
    """
    with TemporaryDirectory(prefix="trioproxy-") as folder:
        async with open_guard() as guard:
            found = await find_problem(subject, part, Path(folder, "any"), guard)
            if found and subject.takes_any and part not in OF_PROMPTS:
                bound = evolve(subject, takes_any=False)
                found = await find_problem(bound, part, Path(folder, "bound"), guard)
    return found

"""One server for all tests that ask it and look at what it was asked: it is left as it was.

A test that counts what the pool does compares with before, or has a server of its own.
"""

from collections.abc import Iterator

import pytest

from tests.real.background import Background, in_background
from tests.real.comparison import Both, both_ways
from tests.real.servers import ROOMY, Running


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background[Both]]:
    opened = both_ways(tmp_path_factory.mktemp("shared"), ROOMY, count_tokens=True)
    with in_background(opened) as found:
        yield found


@pytest.fixture
def both(shared: Background[Both]) -> Background[Both]:
    """A stand-in, and the shared server in front of another one; nothing was asked of them."""
    shared.run(Both.forget)
    return shared


@pytest.fixture
def server(both: Background[Both]) -> Background[Running]:
    """The shared server; nothing was asked of it."""
    return both.part(both.it.server)

"""`--long` runs the long tests too, and does in full what is repeated or generated."""

import pytest
from hypothesis import HealthCheck, settings

from tests.sizing import EXAMPLES, Sized


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="run the long tests too, and all in full size"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose Hypothesis's profile before a test module is imported, which may build on it."""
    for name, examples in EXAMPLES.items():
        # How long an example takes is a matter of what else the machine does.
        slow = [HealthCheck.too_slow]
        settings.register_profile(
            name, max_examples=examples, deadline=None, suppress_health_check=slow
        )
    settings.load_profile("long" if config.getoption("long") else "short")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if not item.get_closest_marker("long")]


@pytest.fixture(scope="session")
def sized(pytestconfig: pytest.Config) -> Sized:
    """A number for the run that this is."""
    return Sized(bool(pytestconfig.getoption("long")))

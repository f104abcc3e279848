"""Which models there are, asked of processes in memory."""

import pytest
import trio
from attrs import evolve

from tests import fakes
from tests.fakes import BOOT, FakeCLI, Introduces
from tests.pool.pools import ONE, ask, pool_of
from trioproxy.claude.models import Models
from trioproxy.errors import BootFailed, PoolClosed, ProcessDied, TrioproxyError
from trioproxy.pool.pool import Pool

Clock = trio.testing.MockClock


def names(models: Models) -> list[str]:
    return [model.id for model in models.listed]


async def test_models_are_asked_of_one_process_for_many_callers(autojump_clock: Clock) -> None:
    found: list[list[str]] = []

    async def client(pool: Pool) -> None:
        found.append(names(await pool.models.wait_models()))

    cli = FakeCLI(Introduces)
    async with pool_of(cli, ONE) as pool:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(client, pool)
        assert found == [["claude-owl-1"]] * 5
        await client(pool)  # known by now
        assert len(cli.launched) == 2
        assert cli.alive == 1  # and the one that was asked has ended
        assert pool.statistics().connections_created == 1
        assert [worker.bound for worker in pool.statistics().workers] == [False]


async def test_models_are_known_from_a_turn(autojump_clock: Clock) -> None:
    cli = FakeCLI(Introduces)
    async with pool_of(cli, ONE) as pool:
        assert pool.models.known == Models()
        await ask(pool)
        assert names(pool.models.known) == ["claude-owl-1"]
        assert names(await pool.models.wait_models()) == ["claude-owl-1"]
    assert len(cli.launched) == 1


@pytest.mark.parametrize(
    ("kind", "error"), [(fakes.NeverBoots, BootFailed), (fakes.DiesAtBoot, ProcessDied)]
)
async def test_models_fail_and_are_asked_again(
    autojump_clock: Clock, kind: fakes.Kind, error: type[TrioproxyError]
) -> None:
    cli = FakeCLI(Introduces, planned=[Introduces, kind])
    async with pool_of(cli, evolve(ONE, boot_timeout=7.0)) as pool:
        with pytest.raises(error):
            await pool.models.wait_models()
        assert trio.current_time() <= BOOT + 7.5
        assert names(await pool.models.wait_models()) == ["claude-owl-1"]
        assert cli.alive == 1


async def test_models_fail_when_the_pool_closes(autojump_clock: Clock) -> None:
    ends: list[TrioproxyError] = []

    async def client(pool: Pool) -> None:
        try:
            await pool.models.wait_models()
        except TrioproxyError as error:
            ends.append(error)

    cli = FakeCLI(Introduces, planned=[Introduces, fakes.NeverBoots])
    async with (
        trio.open_nursery() as nursery,
        pool_of(cli, evolve(ONE, drain_timeout=0.0)) as pool,
    ):
        # It is to wait still while the pool closes.
        nursery.start_soon(client, pool)  # noqa: ASYNC111
        await trio.sleep(1)
    assert [type(end) for end in ends] == [PoolClosed]

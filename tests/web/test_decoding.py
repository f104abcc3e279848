"""Compressed bodies: unpacked as far as is taken, and no further."""

import gzip
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.web.bombs import bomb
from trioproxy.errors import BodyTooLarge, InvalidRequest, UnsupportedEncoding
from trioproxy.web.bodies import TAKEN, decoded

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMIT = 2**25


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "bare deflate": ("deflate", bare),
    "zstd": ("zstd", zstd.compress),
}
each = pytest.mark.parametrize("name", PACKERS)


@each
async def test_a_body_is_what_it_was(name: str) -> None:
    encoding, pack = PACKERS[name]
    for data in (b"{}", b"ab" * 600_000, bytes(range(256)) * 9000):
        assert await decoded(pack(data), f" {encoding} ", LIMIT) == data


@pytest.mark.parametrize("encoding", ["", "identity", " , identity"])
async def test_a_body_that_is_not_encoded_is_itself(encoding: str) -> None:
    assert await decoded(b"{}", encoding, 1) == b"{}"


@pytest.mark.parametrize("encoding", ["br", "gzip, zstd", "aes128gcm"])
async def test_another_encoding_is_not_taken_and_the_caller_hears_which_are(encoding: str) -> None:
    with pytest.raises(UnsupportedEncoding, match="one of gzip, deflate, zstd") as caught:
        await decoded(b"x", encoding, LIMIT)
    assert caught.value.status == 415
    assert TAKEN == ("gzip", "deflate", "zstd")


@each
async def test_what_is_no_such_data_or_not_all_of_it(name: str) -> None:
    encoding, pack = PACKERS[name]
    whole = pack(b'{"a": 1}' * 5000)
    for data in (b"", b"junk", whole[:-1], whole[: len(whole) // 2], whole + b"x"):
        with pytest.raises(InvalidRequest, match="is not valid"):
            await decoded(data, encoding, LIMIT)


@each
@pytest.mark.parametrize("limit", [1000, 3_000_000], ids=["at once", "in a thread"])
async def test_a_body_may_be_as_long_as_the_limit_and_no_longer(name: str, limit: int) -> None:
    encoding, pack = PACKERS[name]
    assert len(await decoded(pack(b"x" * limit), encoding, limit)) == limit
    with pytest.raises(BodyTooLarge, match=f"longer than {limit} bytes when decompressed"):
        await decoded(pack(b"x" * (limit + 1)), encoding, limit)


@pytest.mark.parametrize("name", ["zstd", "gzip"])
async def test_a_bomb_costs_no_more_than_the_limit(name: str) -> None:
    body = bomb(name)
    assert len(body) < 1_200_000
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            await decoded(body, name, 4_000_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


@given(data=st.binary(max_size=60), name=st.sampled_from([*PACKERS]))
async def test_any_bytes(data: bytes, name: str) -> None:
    encoding, _ = PACKERS[name]
    with suppress(InvalidRequest, BodyTooLarge):
        assert isinstance(await decoded(data, encoding, 10_000), bytes)

"""Bodies of requests that come compressed: `content-encoding: gzip`, `deflate` or `zstd`.

A few bytes can stand for gigabytes. So a body is unpacked piece by piece, and no further than the
longest that is taken; a decoder keeps no more of it than its window.
"""

import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import trio

from trioproxy.errors import BodyTooLarge, InvalidRequest, UnsupportedEncoding
from trioproxy.refusals import Refusal

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_PIECE = 65_536
_QUICK = 1_000_000  # bytes; to unpack more takes longer than a hop to a thread and back
_ZSTD: Mapping[int, int] = {
    zstd.DecompressionParameter.window_log_max: 23
}  # 8 MB, as RFC 9659 has it for HTTP

_GZIP, _ZLIB, _RAW = zlib.MAX_WBITS | 16, zlib.MAX_WBITS, -zlib.MAX_WBITS


async def decoded(body: bytes, encoding: str, limit: int) -> bytes:
    """The decompressed body. `encoding`: the header's value; `limit`: maximum bytes.

    Raises `UnsupportedEncoding`, `BodyTooLarge`, or `InvalidRequest` for what is no such data.
    """
    names = [name.strip().lower() for name in encoding.split(",")]
    names = [name for name in names if name not in {"", "identity"}]
    if not names:
        return body
    if len(names) > 1 or names[0] not in _CODINGS:
        shown = ", ".join(TAKEN)
        raise UnsupportedEncoding(f"Unsupported Content-Encoding: use one of {shown}, or none.")
    unpack = partial(_unpacked, body, names[0])
    try:
        return unpack(min(limit, _QUICK))
    except BodyTooLarge:
        if limit <= _QUICK:
            raise
    return await trio.to_thread.run_sync(unpack, limit)


def _unpacked(body: bytes, name: str, limit: int) -> bytes:
    pieces = []
    length = 0
    try:
        for piece in _CODINGS[name](body):
            length += len(piece)
            if length > limit:
                raise BodyTooLarge(f"The body is longer than {limit} bytes when decompressed.")
            pieces.append(piece)
    except (zlib.error, zstd.ZstdError, EOFError) as error:
        reason = f"The body is not valid {name}: {error}"
        raise InvalidRequest(Refusal.CONTENT_ENCODING, reason) from None
    return b"".join(pieces)


def _inflated(body: bytes, window: int) -> Iterator[bytes]:
    """What zlib makes of a body."""
    decoder = zlib.decompressobj(window)
    # Piece by piece, for zlib copies what it has not come to each time.
    for start in range(0, len(body), _PIECE):
        packed = body[start : start + _PIECE]
        while packed and not decoder.eof:
            yield decoder.decompress(packed, _PIECE)
            packed = decoder.unconsumed_tail
        if decoder.unused_data or (packed and decoder.eof):
            raise EOFError("data after its end")
    while not decoder.eof and (piece := decoder.decompress(b"", _PIECE)):
        yield piece
    if not decoder.eof:
        raise EOFError("it is truncated")


def _deflated(body: bytes) -> Iterator[bytes]:
    """The format of zlib, which is the standard; or bare data, which some send."""
    is_zlib = body[:1] and body[0] & 15 == zlib.DEFLATED and not int.from_bytes(body[:2]) % 31
    return _inflated(body, _ZLIB if is_zlib else _RAW)


def _unzstd(body: bytes) -> Iterator[bytes]:
    decoder = zstd.ZstdDecompressor(options=_ZSTD)
    yield decoder.decompress(body, _PIECE)
    while not decoder.eof and not decoder.needs_input:
        yield decoder.decompress(b"", _PIECE)
    if not decoder.eof:
        raise EOFError("it is truncated")
    if decoder.unused_data:
        raise EOFError("data after its end")


_CODINGS: Mapping[str, Callable[[bytes], Iterator[bytes]]] = {
    "gzip": partial(_inflated, window=_GZIP),
    "x-gzip": partial(_inflated, window=_GZIP),
    "deflate": _deflated,
    "zstd": _unzstd,
}

TAKEN = ("gzip", "deflate", "zstd")
"""The encodings that are taken, as `accept-encoding` names them."""

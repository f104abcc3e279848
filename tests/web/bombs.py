"""Bodies that are small until they are decompressed."""

import sys
import zlib

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def bomb(name: str) -> bytes:
    """A gigabyte of zeros."""
    if name == "zstd":
        packer = zstd.ZstdCompressor()
        return b"".join([*(packer.compress(bytes(2**20)) for _ in range(1024)), packer.flush()])
    deflater = zlib.compressobj(wbits=31)
    head = deflater.compress(b"") + deflater.flush(zlib.Z_FULL_FLUSH)
    # Behind a full flush, the same bytes are packed in the same way.
    megabyte = deflater.compress(bytes(2**20)) + deflater.flush(zlib.Z_FULL_FLUSH)
    return head + megabyte * 1024

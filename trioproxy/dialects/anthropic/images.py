"""Images in a user's message, of which the CLI makes something smaller, or a text.

One of over 2,000 pixels a side, for models from 4.8 on also of over 1,932 by 1,932, or of over
500,000 bytes is scaled down or compressed, with a line of text behind it when it was scaled. A
media type that is not the image's is corrected, and what is no image becomes a line of text.
Images by their url, and those in results of tools, are left as they are.
"""

import base64
from collections.abc import Iterable, Iterator
from io import BytesIO

import imagesize

from trioproxy.claude.turn import Block, Message
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

_LARGEST_SIDE = 2000
_LARGEST_AREA = 69 * 69  # tiles, for models from 4.8 on
_TILE = 28  # pixels a side
_MOST_BYTES = 500_000
_SMALLER = "images that the CLI may scale down"
_CORRECTED = "media types of images corrected by the CLI"
_HEAD = 200_000  # characters: the size stands near the beginning, if not behind a long comment


def check_image(block: Block, path: str) -> None:
    """Refuse what the CLI would put a text in the place of."""
    source = block["source"]
    if source["type"] != "base64":
        return
    kind = media_type_of(source["data"])
    if kind is None or min(_size(source["data"])) <= 0:
        reason = "is not a readable PNG, JPEG, GIF or WebP image"
        raise InvalidRequest(Refusal.UNREADABLE_DATA, reason, path=f"{path}.source.data")


def image_notes(messages: Iterable[Message]) -> Iterator[str]:
    """A note for each image that the CLI alters, or may alter: that depends on the model."""
    sources = [
        block["source"]
        for message in messages
        for block in message.content
        if block["type"] == "image" and block["source"]["type"] == "base64"
    ]
    for source in sources:
        data = source["data"]
        if len(data) * 3 // 4 > _MOST_BYTES or _is_large(*_size(data)):
            yield _SMALLER
        if media_type_of(data) != source["media_type"]:
            yield _CORRECTED


def media_type_of(data: str) -> str | None:
    """The media type of an image, by its first bytes."""
    try:
        head = base64.b64decode("".join(data[:64].split())[:24])
    except ValueError:
        return None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for mark, kind in _MARKS.items() if head.startswith(mark)), None)


_MARKS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
}


def _is_large(width: int, height: int) -> bool:
    tiles = -(-width // _TILE) * -(-height // _TILE)
    return max(width, height) > _LARGEST_SIDE or tiles > _LARGEST_AREA


def _size(data: str) -> tuple[int, int]:
    """Width and height of an image in pixels; 0 or less when it cannot be read."""
    size = _size_of(data[:_HEAD])
    return size if min(size) > 0 else _size_of(data)


def _size_of(data: str) -> tuple[int, int]:
    try:
        width, height = imagesize.get(BytesIO(base64.b64decode(data)))
    except ValueError:  # no base64
        return 0, 0
    return int(width), int(height)

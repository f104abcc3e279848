"""What a message may carry beside text: images, files, the arguments of a call."""

import base64
import re
from collections.abc import Mapping
from typing import Any

import orjson

from trioproxy.dialects.anthropic.images import media_type_of
from trioproxy.dialects.json_checks import is_deep, is_object, is_string, is_word
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

_DEPTH = 200
_DATA_URL = re.compile(
    r"data:([\w.+-]+/[\w.+-]+)?((?:;[^;,]*)*?);base64,(.*)", re.DOTALL | re.IGNORECASE
)


def image_block(url: object, path: str) -> dict[str, Any]:
    """An image by its url, or from a `data:` url."""
    is_word(url, path)
    media_type, data = data_of(str(url), path)
    if data is None:
        return {"type": "image", "source": {"type": "url", "url": url}}
    # What a `data:` url says of its data is often not quite so, as in image/jpg.
    source = {"type": "base64", "media_type": media_type_of(data) or media_type, "data": data}
    return {"type": "image", "source": source}


def detail_notes(value: Mapping[str, Any], path: str) -> list[str]:
    """What is said of how closely an image is looked at."""
    if value.get("detail") in (None, "auto"):
        return []
    return [f"{path}.detail without effect: Claude sees images as they are"]


def file_block(value: Mapping[str, Any], path: str) -> dict[str, Any]:
    """A file that comes with the request, as a document."""
    if value.get("file_id") is not None:
        reason = "this server stores no files: send `file_data`"
        raise InvalidRequest(Refusal.STORED_STATE, reason, path=f"{path}.file_id")
    if value.get("file_url") is not None:
        is_word(value["file_url"], f"{path}.file_url")
        return {"type": "document", "source": {"type": "url", "url": value["file_url"]}}
    is_word(value.get("file_data"), f"{path}.file_data")
    media_type, data = data_of(value["file_data"], f"{path}.file_data", is_url=False)
    if media_type is not None and media_type.startswith("text/"):
        return _titled(_text_source(data, f"{path}.file_data"), value)
    source = {"type": "base64", "media_type": media_type or "application/pdf", "data": data}
    return _titled(source, value)


def _titled(source: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    name = value.get("filename")
    title = {"title": name} if isinstance(name, str) and name else {}
    return {"type": "document", "source": source, **title}


def _text_source(data: str | None, path: str) -> dict[str, Any]:
    try:
        text = base64.b64decode(data or "").decode()
    except ValueError:
        raise InvalidRequest(
            Refusal.UNREADABLE_DATA, "must be UTF-8 text in base64", path=path
        ) from None
    return {"type": "text", "media_type": "text/plain", "data": text}


def data_of(text: str, path: str, *, is_url: bool = True) -> tuple[str | None, str | None]:
    """The media type and the base64 of a `data:` url; no data if it is another url."""
    found = _DATA_URL.fullmatch(text)
    if found is not None:
        return found[1], found[3]
    if text[:5].lower() == "data:":
        raise InvalidRequest(Refusal.UNREADABLE_DATA, "must be a data: URL with base64", path=path)
    return (None, None) if is_url else (None, text)


def arguments(value: object, path: str) -> dict[str, Any]:
    """The arguments of a call: JSON in a string, as the model wrote it."""
    is_string(value, path)
    try:
        found = orjson.loads(str(value) or "{}")
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(Refusal.NOT_JSON, f"is not JSON: {error}", path=path) from None
    is_object(found, path)
    if is_deep(found, _DEPTH):
        raise InvalidRequest(Refusal.TOO_DEEP, f"is nested more than {_DEPTH} times", path=path)
    assert isinstance(found, dict)
    return found

"""Callers' tokens: made, hashed, and compared in constant time.

A token is 256 random bits, so that one round of SHA-256 hides it: there is nothing to guess.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping

from attrs import frozen

DEFAULT = "default"  # the name of a token that was given without one

_PREFIX = "sha256:"


def new_token() -> str:
    """A token that nobody can guess."""
    return f"tp_{secrets.token_urlsafe(32)}"


def hashed(token: str) -> str:
    """The form in which a token may stand in a file: `sha256:` and 64 hexadecimal digits."""
    return _PREFIX + hashlib.sha256(token.encode()).hexdigest()


def as_hashed(stored: str) -> str:
    """The hashed form of a token that is plain or hashed."""
    return stored if stored.startswith(_PREFIX) else hashed(stored)


def check_stored(stored: str) -> None:
    """Raises `ValueError` unless `stored` is a token or a hashed one."""
    if stored.startswith(_PREFIX):
        digits = stored.removeprefix(_PREFIX)
        if len(digits) != hashlib.sha256().digest_size * 2 or set(digits) - set(
            "0123456789abcdef"
        ):
            raise ValueError("sha256: must be followed by 64 hexadecimal digits in lower case")
    elif not (stored.isascii() and stored.isprintable() and stored and " " not in stored):
        raise ValueError("must be printable ASCII without spaces")


@frozen
class ApiKeys:
    """The tokens that are known: names, and their SHA-256 each."""

    _hashes: Mapping[str, str]

    @classmethod
    def of(cls, stored: Mapping[str, str]) -> "ApiKeys":
        """From plain or hashed tokens, by name."""
        return cls(
            {
                name: item if item.startswith(_PREFIX) else hashed(item)
                for name, item in stored.items()
            }
        )

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def name_of(self, presented: str) -> str | None:
        """Whose token this is; None if nobody's. Every known one is compared, in whole."""
        found = None
        candidate = hashed(presented)
        for name, known in self._hashes.items():
            if hmac.compare_digest(known, candidate):
                found = name
        return found

"""What the forward proxies have in common that are there to be compared with.

Each is a program, told `[http_pool] upstreams` in JSON as its argument; `{"port": PORT}` is told
back when it can be asked.
"""

import json
import sys
from collections.abc import Mapping

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
BACKLOG = 2048

_NOT_PASSED_ON = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


def upstreams() -> dict[str, str]:
    """Their URLs, by name."""
    urls: dict[str, str] = json.loads(sys.argv[1])
    return urls


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that go on."""
    return {name: value for name, value in headers.items() if name.lower() not in _NOT_PASSED_ON}

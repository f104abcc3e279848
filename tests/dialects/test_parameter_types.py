"""Each field of the official packages' parameter types is taken, or named where it is not.

`scripts/check-newest` asks the same of the packages as they are today.
"""

from typing import Any

import pytest

from tests.dialects.package_requests import KNOWN, REQUESTS, PackageRequest, findings, is_known
from tests.dialects.parameter_types import Walk
from trioproxy.errors import InvalidRequest

KINDS: list[Any] = [None, True, -1, 1.5, "", "a", [], [None], ["a"], [[]], {}, {"a": 1}, [{}]]
BLOCKS: list[Any] = [{"type": None}, {"type": []}, {"type": "x"}]
TYPES = ("text", "image", "image_url", "tool_use", "tool_result", "function_call", "reasoning")


def test_every_field_is_taken_or_named() -> None:
    found = list(findings())
    left = [f"{r.name}: {f.what}: {f.verdict} {f.reason}" for r, f in found if not is_known(f)]
    assert not left, "\n".join(left)
    assert {is_known(finding) for _, finding in found} == {*KNOWN}, "one of these is gone"


@pytest.mark.long
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.name)
def test_whatever_stands_in_a_field_is_read_or_refused(request_: PackageRequest) -> None:
    """Tens of thousands of bodies: none is the server's own fault."""

    def parse(body: dict[str, Any]) -> object:
        try:
            return request_.parse(body)
        except InvalidRequest:
            raise
        except Exception as error:
            raise AssertionError(f"{body}") from error

    blocks = [*BLOCKS, *({"type": name} for name in TYPES)]
    wrong = [*KINDS, *blocks, *([block] for block in blocks)]
    walk = Walk(parse, request_.notes, lambda body: [body], wrong=wrong)
    walk.findings(request_.params, request_.base)
    assert len(walk.verdicts) > 1000

"""Each field of the official packages' parameter types is taken, or named where it is not.

`scripts/check-newest` asks the same of the packages as they are today.
"""

from tests.dialects.package_requests import KNOWN, findings, is_known


def test_every_field_is_taken_or_named() -> None:
    found = list(findings())
    left = [f"{r.name}: {f.what}: {f.verdict} {f.reason}" for r, f in found if not is_known(f)]
    assert not left, "\n".join(left)
    assert {is_known(finding) for _, finding in found} == {*KNOWN}, "one of these is gone"

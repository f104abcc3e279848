import re
import tomllib

import pytest

from tests.cli.runner import run
from trioproxy.api_keys import ApiKeys


@pytest.mark.parametrize("name", ["client", "a-b_1", "a.b", "two words", 'q"\\', "é"])
def test_both_forms_are_of_one_token(name: str) -> None:
    ran = run("token", name)
    assert (ran.status, ran.err) == (0, "")
    found = set(re.findall(r"tp_[\w-]+", ran.out))
    assert len(found) == 1
    stored = tomllib.loads(ran.out[ran.out.index("  [auth.tokens]") :])["auth"]["tokens"]
    assert ApiKeys.of(stored).name_of(found.pop()) == name


def test_it_says_how_each_is_used() -> None:
    out = run("token").out
    for text in ("Authorization: Bearer tp_", "x-api-key: tp_", 'client = "sha256:'):
        assert text in out


def test_each_is_another() -> None:
    assert run("token").out != run("token").out

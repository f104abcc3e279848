"""Each test runs in an empty directory, without a setting of the developer's."""

import os
from pathlib import Path

import pytest

from trioproxy.settings import SECTIONS


@pytest.fixture(autouse=True)
def _nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.lower().partition("__")[0] in SECTIONS or name == "CCPROXY_CONFIG":
            monkeypatch.delenv(name)
    for name in ("LOG_LEVEL", "AUTH_TOKEN", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)

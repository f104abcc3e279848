"""`python -m trioproxy.standin`."""

import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest
import trio

from tests.standin.requests import streaming
from trioproxy.standin.__main__ import main

COMMAND = [sys.executable, "-m", "trioproxy.standin"]


async def test_it_tells_its_url_and_ends_on_ctrl_c_with_a_stream_open() -> None:
    command = [*COMMAND, "--port=0", "--rate=1"]
    with trio.fail_after(10):
        process = await trio.lowlevel.open_process(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        async with process.stdout, process.stderr:
            result = await process.stdout.receive_some()
            found = re.search(rb"http://127\.0\.0\.1:\d+", result)
            assert found is not None, result
            body = streaming("hello")
            async with (
                httpx.AsyncClient(base_url=found[0].decode()) as client,
                client.stream("POST", "/v1/messages", json=body) as response,
            ):
                assert response.status_code == 200
                process.send_signal(signal.SIGINT)
                assert await process.wait() == 0
            assert await process.stderr.receive_some() == b""


@pytest.mark.parametrize(
    ("option", "reason"), [("--rate=0", "'rate' must be > 0"), ("--port=65536", "65536")]
)
def test_a_bad_option_is_told(
    option: str, reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["standin", option])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert reason in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(sys, "argv", ["standin", f"--port={taken.getsockname()[1]}"])
        with pytest.raises(SystemExit, match="in use"):
            main()

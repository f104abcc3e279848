"""nginx, one process of it: what a forward proxy in C makes of the same upstream.

    python _forwarder_nginx.py UPSTREAMS PROGRAM DIRECTORY

It writes its configuration into the directory. Like the others it keeps 20 connections to each
upstream; unlike them, it takes any certificate, and any number of connections.
"""

import socket
import subprocess
import sys
import time
from pathlib import Path

from _child import tell
from _forwarders import BACKLOG, upstreams
from _ports import reserved_port

_START = 10.0  # seconds

_CONFIGURATION = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  keepalive_requests 1000000;
  {upstreams}
  server {{
    listen 127.0.0.1:{port} backlog={backlog};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    {locations}
  }}
}}
"""


def _configuration(urls: dict[str, str], directory: Path, port: int) -> str:
    found = {name: url.partition("://") for name, url in urls.items()}
    kept = "keepalive 20; keepalive_requests 1000000;"
    return _CONFIGURATION.format(
        directory=directory,
        port=port,
        backlog=BACKLOG,
        upstreams="\n  ".join(
            f"upstream {name} {{ server {host}; {kept} }}" for name, (_, _, host) in found.items()
        ),
        locations="\n    ".join(
            f"location /proxy/{name}/ {{ proxy_pass {scheme}://{name}/; }}"
            for name, (scheme, _, _) in found.items()
        ),
    )


def _wait_up(nginx: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + _START
    while nginx.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    sys.exit("nginx does not start.")


def main(program: str, directory: Path) -> None:
    """Have it answer until the script is gone."""
    with reserved_port() as port:
        file = directory / "nginx.conf"
        file.write_text(_configuration(upstreams(), directory, port))
        command = [program, "-c", str(file), "-p", str(directory)]
        nginx = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - what was found
        try:
            _wait_up(nginx, port)
            tell({"port": port})
            sys.stdin.buffer.read()
        finally:
            nginx.kill()
            nginx.wait()


if __name__ == "__main__":
    main(sys.argv[2], Path(sys.argv[3]))

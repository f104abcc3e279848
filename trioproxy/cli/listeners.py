"""Which program listens on a port: known for processes that this user may see."""

import psutil


def listener(port: int) -> str | None:
    """The program that listens on `port`, with its process id; None if that is not known."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:  # macOS shows them to root only
        return None
    for connection in connections:
        at_port = getattr(connection.laddr, "port", None) == port
        if at_port and connection.status == psutil.CONN_LISTEN and connection.pid is not None:
            return f"{_name(connection.pid)} (process {connection.pid})"
    return None


def _name(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return "a process"

"""An MCP server over its standard input and output, with tools that need no search and none else.

It is run by any Python, with nothing installed.
"""

import json
import sys
from typing import Any

TOOLS = {
    "add": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "greet": {"name": {"type": "string"}},
}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a request; None: there is no such method."""
    if method == "initialize":
        info = {"name": "ours", "version": "1"}
        version = params["protocolVersion"]
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        return {"tools": [_tool(name, fields) for name, fields in TOOLS.items()]}
    if method == "tools/call":
        text = _call(params["name"], params["arguments"])
        return {"content": [{"type": "text", "text": text}]}
    return {} if method == "ping" else None


def _tool(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    return {"name": name, "description": f"It can {name}.", "inputSchema": schema}


def _call(name: str, arguments: dict[str, Any]) -> str:
    if name == "add":
        return str(arguments["a"] + arguments["b"])
    return f"Good day, {arguments['name']}."


def main() -> None:
    """Answer a line for each line, until there are no more."""
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request:
            continue
        result = answer(request["method"], request.get("params") or {})
        error = {"code": -32601, "message": "no such method"}
        body = {"error": error} if result is None else {"result": result}
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], **body}), flush=True)  # noqa: T201  # MCP


if __name__ == "__main__":
    main()

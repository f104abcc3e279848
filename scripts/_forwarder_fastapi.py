"""One httpx client with httpx's own pool, in the framework that most would take."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from _child import end_with_script, tell
from _forwarders import BACKLOG, METHODS, passed_on, upstreams
from fastapi import FastAPI, Request, Response

context = httpx.create_ssl_context()
urls = upstreams()
limits = httpx.Limits(  # the defaults of [http_pool]
    max_connections=100, max_keepalive_connections=20, keepalive_expiry=300.0
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """The one client."""
    async with httpx.AsyncClient(limits=limits, verify=context, trust_env=False) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.api_route("/proxy/{name}/{rest:path}", methods=METHODS)
async def forward(name: str, rest: str, request: Request) -> Response:
    """Pass a request on."""
    answer = await app.state.client.request(
        request.method,
        f"{urls[name]}/{rest}",
        headers=passed_on(request.headers),
        content=await request.body(),
    )
    return Response(answer.content, answer.status_code, passed_on(answer.headers))


def main() -> None:
    """Answer until the end of the process."""
    config = uvicorn.Config(app, backlog=BACKLOG, log_level="warning", access_log=False)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(BACKLOG)
    tell({"port": listener.getsockname()[1]})  # who asks before the app is up waits in line
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    end_with_script()
    main()

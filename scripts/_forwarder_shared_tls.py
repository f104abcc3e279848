"""A new httpx client for each request, as easily made as can be: the TLS settings are there."""

import httpx
import trio
from _child import end_with_script, tell
from _forwarders import BACKLOG, METHODS, passed_on, upstreams
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import request
from quart_trio import QuartTrio

app = QuartTrio(__name__)
context = httpx.create_ssl_context()
urls = upstreams()


@app.route("/proxy/<name>/<path:rest>", methods=METHODS)
async def forward(name: str, rest: str) -> tuple[bytes, int, dict[str, str]]:
    """Pass a request on."""
    async with httpx.AsyncClient(verify=context, trust_env=False) as client:
        answer = await client.request(
            request.method,
            f"{urls[name]}/{rest}",
            headers=passed_on(dict(request.headers)),
            content=await request.get_data(),
        )
    return answer.content, answer.status_code, passed_on(answer.headers)


async def main() -> None:
    """Answer until the end of the process."""
    config = Config.from_mapping(bind=["127.0.0.1:0"], backlog=BACKLOG, loglevel="WARNING")
    async with trio.open_nursery() as nursery:
        (url,) = await nursery.start(serve, app, config)
        tell({"port": int(url.rpartition(":")[2])})


if __name__ == "__main__":
    end_with_script()
    trio.run(main)

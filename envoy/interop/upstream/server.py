"""An MCP server of FastMCP that calls an API for its clients, for `make interop`:

    opentelemetry-instrument python server.py PORT [sessions]

Its tool forecast is that of docs/upstream.md. The others have no code for the handle, or do what no server should.
"""

import sys

from fastmcp.server.dependencies import get_http_headers

from forecast import api, mcp


@mcp.tool
async def traced(city: str) -> str:
    """Leaves the handle to OpenTelemetry."""
    answer = await api.get("/v1/forecast", params={"city": city})
    return f"{answer.status_code} {answer.text}"


@mcp.tool
async def forward(headers: dict[str, str]) -> str:
    """Sends what the client wrote."""
    answer = await api.get("/v1/forecast", headers=headers)
    return f"{answer.status_code} {answer.text}"


@mcp.tool
def received(name: str) -> str:
    """Returns a header of the request."""
    return get_http_headers(include_all=True).get(name, "")


mcp.run(
    transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False, log_level="error",
    stateless_http=sys.argv[2:] != ["sessions"], json_response=True,
)

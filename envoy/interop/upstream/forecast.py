import httpx2
from fastmcp import FastMCP
from fastmcp.server.dependencies import get_http_headers

mcp = FastMCP("weather")
api = httpx2.AsyncClient(base_url="http://api.example.com")


@mcp.tool
async def forecast(city: str) -> str:
    handle = get_http_headers().get("x-mcp-auth-handle", "")
    answer = await api.get("/v1/forecast", params={"city": city}, headers={"x-mcp-auth-handle": handle})
    return answer.raise_for_status().text

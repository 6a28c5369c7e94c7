"""A server of the Python SDK that appends the mark of each call to a file:
python server.py FILE. It prints its address."""

import asyncio
import socket
import sys

import uvicorn
from mcp.server.mcpserver import MCPServer

FILE = sys.argv[1]
server = MCPServer("marks", log_level="ERROR")


def append(mark: str) -> str:
    with open(FILE, "a", encoding="utf-8") as file:
        file.write(mark + "\n")
    return mark


server.add_tool(append, name="a")
server.add_tool(append, name="b")


@server.resource("memo:a")
def resource() -> str:
    return "r"


@server.prompt("p")
def prompt() -> str:
    return "p"


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print(f"127.0.0.1:{listener.getsockname()[1]}", flush=True)
app = server.streamable_http_app(stateless_http=True, json_response=True)
asyncio.run(uvicorn.Server(uvicorn.Config(app, log_level="error")).serve(sockets=[listener]))

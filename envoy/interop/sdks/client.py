"""The MCP client of the Python SDK, for `make interop`: python client.py PLAN

PLAN and the line that it prints are those of client.mjs.
"""
import asyncio
import json
import sys
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata

plan = json.loads(sys.argv[1])
found = {}
counts = {"logins": 0, "refreshes": 0}


class Storage:
    tokens = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        if self.tokens is not None and Browser.address is None:
            counts["refreshes"] += 1
        Browser.address = None
        self.tokens = tokens

    async def get_client_info(self):
        return OAuthClientInformationFull(
            client_id=plan["client"], redirect_uris=[plan["redirect"]], token_endpoint_auth_method="none",
            grant_types=["authorization_code", "refresh_token"], issuer=plan["issuer"],
        )

    async def set_client_info(self, client_info):
        pass


class Browser:
    """Follows an authorization URL without a person, up to the redirect URI."""

    address = None

    @classmethod
    async def open(cls, address):
        cls.address = address

    @classmethod
    async def result(cls):
        counts["logins"] += 1
        url = cls.address
        async with httpx2.AsyncClient() as browser:
            for _ in range(12):
                response = await browser.get(url)
                if "location" not in response.headers:
                    raise RuntimeError(f"the authorization server answered {response.status_code}: {response.text[:300]}")
                url = urljoin(url, response.headers["location"])
                if url.startswith(plan["redirect"]):
                    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
                    return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))
        raise RuntimeError("the authorization server redirected twelve times")


def short(error):
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = f"{type(error).__name__} {getattr(error, 'code', '')}: {error}"
    return " ".join(text.split())[:300]


async def step(name, run):
    try:
        found[name] = await run()
    except Exception as error:  # every failure is a result
        found[name] = "failed: " + short(error)


async def main():
    oauth = OAuthClientProvider(
        plan["url"],
        OAuthClientMetadata(redirect_uris=[plan["redirect"]], token_endpoint_auth_method="none",
                            grant_types=["authorization_code", "refresh_token"]),
        Storage(), Browser.open, Browser.result,
    )
    async with httpx2.AsyncClient(auth=oauth, timeout=httpx2.Timeout(30)) as http:
        async with Client(streamable_http_client(plan["url"], http_client=http)) as client:
            found["login"] = "ok"
            found["revision"] = client.session.protocol_version

            async def call(tool):
                result = await client.call_tool(tool["name"], tool["arguments"])
                return "tool error" if result.is_error else "ok"

            async def tools():
                await client.list_tools()
                return "ok"

            await step("list", tools)
            await step("call", lambda: call(plan["call"]))
            if plan.get("stepUp"):
                await step("stepUp", lambda: call(plan["stepUp"]))
            if plan.get("wait"):
                await asyncio.sleep(plan["wait"] / 1000)
                await step("refresh", lambda: call(plan["call"]))
            if plan.get("refused"):
                await step("refused", lambda: call(plan["refused"]))
                await step("afterwards", lambda: call(plan["call"]))
    found["end"] = "ok"


try:
    asyncio.run(main())
except Exception as error:
    found["end" if "login" in found else "login"] = "failed: " + short(error)
print(json.dumps({**found, **counts}))

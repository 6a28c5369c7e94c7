"""Reads documents, one a line in base64, as the server of the Python SDK does, and
writes what it read, one line each: "text" where the bytes are no JSON to it,
"message" where they are no message, or the operations.

    python read.py legacy    # the revisions with sessions
    python read.py modern    # 2026-07-28
"""

import base64
import json
import sys

import pydantic
import pydantic_core
from mcp_types.jsonrpc import JSONRPCNotification, JSONRPCRequest, jsonrpc_message_adapter
from mcp_types.methods import MONOLITH_REQUESTS

MODERN = sys.argv[1] == "modern"


def reference(ref):
    return get(ref, "name") if get(ref, "type") == "ref/prompt" else get(ref, "uri")


NAMES = {
    "tools/call": lambda params: get(params, "name"),
    "prompts/get": lambda params: get(params, "name"),
    "resources/read": lambda params: get(params, "uri"),
    "resources/subscribe": lambda params: get(params, "uri"),
    "resources/unsubscribe": lambda params: get(params, "uri"),
    "completion/complete": lambda params: reference(get(params, "ref")),
}


def get(value, name):
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def name(message):
    """What a handler of the method would get: from the SDK's type or, where that
    refuses the params, from the params themselves."""
    if message.method not in NAMES:
        return ""
    params = message.params or {}
    try:
        body = {"method": message.method, "params": params}
        params = MONOLITH_REQUESTS[message.method].model_validate(body, by_name=False).params
    except pydantic.ValidationError:
        pass
    found = NAMES[message.method](params)
    return found if isinstance(found, str) else ""


def decode(document):
    return json.loads(document) if MODERN else pydantic_core.from_json(document)


def parse(value):
    if not MODERN:
        return jsonrpc_message_adapter.validate_python(value, by_name=False)
    if isinstance(value, dict) and "id" not in value:
        return JSONRPCNotification.model_validate(value)
    return JSONRPCRequest.model_validate(value)


def read(document):
    try:
        value = decode(document)
    except (ValueError, RecursionError):
        return "text"
    try:
        message = parse(value)
    except pydantic.ValidationError:
        return "message"
    if not hasattr(message, "method"):
        return [{"response": True}]
    return [{"method": message.method, "name": name(message)}]


for line in sys.stdin:
    print(json.dumps(read(base64.b64decode(line))), flush=True)

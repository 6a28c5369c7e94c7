// Reads documents, one a line in base64, with the parser of messages of a
// TypeScript SDK, and writes what it read, one line each: "text" where the bytes
// are no JSON to it, "message" where they are no message, or the operations.
//
//	node read.mjs 1    # @modelcontextprotocol/sdk
//	node read.mjs 2    # @modelcontextprotocol/server
import { createInterface } from 'node:readline';

const first = process.argv[2] === '1';
const types = first
  ? await import('@modelcontextprotocol/sdk/types.js')
  : await import('@modelcontextprotocol/core/internal');
const server = first ? null : await import('@modelcontextprotocol/server');
const parse = first ? value => types.JSONRPCMessageSchema.parse(value) : value => server.parseJSONRPCMessage(value);

const schemas = {
  'tools/call': [types.CallToolRequestSchema, params => params.name],
  'prompts/get': [types.GetPromptRequestSchema, params => params.name],
  'resources/read': [types.ReadResourceRequestSchema, params => params.uri],
  'resources/subscribe': [types.SubscribeRequestSchema, params => params.uri],
  'resources/unsubscribe': [types.UnsubscribeRequestSchema, params => params.uri],
  'completion/complete': [
    types.CompleteRequestSchema,
    params => (params.ref?.type === 'ref/prompt' ? params.ref.name : params.ref?.uri),
  ],
};

// name is what a handler of the method would get: from the schema's output or,
// where the schema refuses the params, from the params themselves.
function name({ method, params }) {
  if (!Object.hasOwn(schemas, method)) return '';
  const [schema, of] = schemas[method];
  const typed = schema.safeParse({ method, params });
  const found = of((typed.success ? typed.data.params : params) ?? {});
  return typeof found === 'string' ? found : '';
}

function read(bytes) {
  let value;
  try {
    // As Request.text() of the fetch standard does.
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return 'text';
  }
  try {
    const messages = (Array.isArray(value) ? value : [value]).map(parse);
    return messages.map(m => ('method' in m ? { method: m.method, name: name(m) } : { response: true }));
  } catch {
    return 'message';
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(read(Buffer.from(line, 'base64'))) + '\n');
}

// A server of the TypeScript SDK 2 that appends the mark of each call to a file:
// node server.mjs FILE. It prints its address.
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { McpServer, createMcpHandler, fromJsonSchema } from '@modelcontextprotocol/server';

const file = process.argv[2];
const schema = fromJsonSchema({ type: 'object', properties: { mark: { type: 'string' } }, required: ['mark'] });

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: 'marks', version: '1' });
  for (const name of ['a', 'b']) {
    server.registerTool(name, { description: name, inputSchema: schema }, ({ mark }) => {
      appendFileSync(file, mark + '\n');
      return { content: [{ type: 'text', text: mark }] };
    });
  }
  server.registerResource('r', 'memo:a', {}, uri => ({ contents: [{ uri: uri.href, text: 'r' }] }));
  server.registerPrompt('p', {}, () => ({ messages: [] }));
  return server;
});

const server = createServer(async (req, res) => {
  const headers = new Headers();
  for (let i = 0; i < req.rawHeaders.length; i += 2) headers.append(req.rawHeaders[i], req.rawHeaders[i + 1]);
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const answer = await handler.fetch(
    new Request('http://127.0.0.1/mcp', { method: req.method, headers, body: Buffer.concat(chunks) }));
  res.writeHead(answer.status, Object.fromEntries(answer.headers));
  res.end(Buffer.from(await answer.arrayBuffer()));
});
server.listen(0, '127.0.0.1', () => console.log(`127.0.0.1:${server.address().port}`));

// One MCP client of the TypeScript SDK, for `make interop`: node client.mjs SDK PLAN
//
// SDK is "sdk" (@modelcontextprotocol/sdk) or "client" (@modelcontextprotocol/client).
// PLAN is JSON: {url, client, redirect, call, refused, stepUp, wait}, where the tools
// are {name, arguments} and wait is how long the first token lives, in milliseconds.
// It prints one line of JSON: what came of each step.
import { browse } from './browse.mjs';

const [which, text] = process.argv.slice(2);
const plan = JSON.parse(text);
const { Client, StreamableHTTPClientTransport, UnauthorizedError } = which === 'client'
  ? await import('@modelcontextprotocol/client')
  : { ...await import('@modelcontextprotocol/sdk/client/index.js'),
      ...await import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
      ...await import('@modelcontextprotocol/sdk/client/auth.js') };

const kept = {};
let opened; // the authorization URL that waits for the user
let logins = 0, refreshes = 0;
const provider = {
  redirectUrl: plan.redirect,
  clientMetadata: { redirect_uris: [plan.redirect], grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'none' },
  clientInformation: (context) => ({ client_id: plan.client, issuer: context?.issuer }),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { if (kept.tokens && !opened) refreshes++; kept.tokens = tokens; },
  redirectToAuthorization: (url) => { opened = url; },
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  codeVerifier: () => kept.verifier,
  saveDiscoveryState: (state) => { kept.discovery = state; },
  discoveryState: () => kept.discovery,
};

let transport, client;
const found = {};

// withLogin runs a step, and once more after the login that it asked for.
async function withLogin(run) {
  try {
    return await run();
  } catch (error) {
    if (!opened) throw error;
    const parameters = await browse(opened, plan.redirect);
    logins++;
    await transport.finishAuth(which === 'client' ? parameters : parameters.get('code'));
    opened = undefined;
    return run();
  }
}

async function connect() {
  transport = new StreamableHTTPClientTransport(new URL(plan.url), { authProvider: provider });
  client = new Client({ name: 'interop', version: '1' }, which === 'client' ? { versionNegotiation: { mode: 'auto' } } : {});
  client.onerror = (error) => { found.onerror ??= short(error); };
  await client.connect(transport);
}

const short = (error) => `${error.name} ${error.code ?? ''}: ${error.message}`.replace(/\s+/g, ' ').slice(0, 300);

async function step(name, run) {
  try {
    found[name] = await run();
  } catch (error) {
    found[name] = 'failed: ' + short(error);
  }
}

async function call(tool) {
  const result = await client.callTool(tool);
  return result.isError ? 'tool error' : 'ok';
}

await step('login', async () => { await withLogin(connect); return 'ok'; });
found.revision = client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion;
await step('list', async () => { await client.listTools(); return 'ok'; });
await step('call', () => call(plan.call));
if (plan.stepUp) await step('stepUp', () => withLogin(() => call(plan.stepUp)));
if (plan.wait) {
  await new Promise((done) => setTimeout(done, plan.wait));
  await step('refresh', () => withLogin(() => call(plan.call)));
}
if (plan.refused) {
  await step('refused', () => call(plan.refused));
  await step('afterwards', () => call(plan.call));
}
await step('end', async () => { await transport.terminateSession?.(); await client.close(); return 'ok'; });
console.log(JSON.stringify({ ...found, logins, refreshes }));
process.exit(0);

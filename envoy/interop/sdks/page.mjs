// The TypeScript client in a page, for `make interop`. It logs in, lists, calls a
// tool, and calls one that needs another scope. A login leaves the page and comes
// back to it, so that what was done is kept in sessionStorage.
//
// /plan.json is {url, client, call, stepUp}. The title becomes "done" at the end.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const plan = await (await fetch('/plan.json')).json();
const kept = (name) => JSON.parse(sessionStorage.getItem(name) ?? 'null');
const keep = (name, value) => sessionStorage.setItem(name, JSON.stringify(value));
const results = kept('results') ?? [];

document.getElementById('origin').textContent = location.origin;
document.getElementById('server').textContent = plan.url;

function show() {
  document.getElementById('steps').replaceChildren(...results.map((result) => {
    const row = document.createElement('tr');
    for (const text of [result.ok ? '✓' : '✗', result.name, result.text]) {
      row.appendChild(document.createElement('td')).textContent = text;
    }
    return row;
  }));
}

function end() {
  show();
  window.results = results;
  document.title = 'done';
}

function note(name, ok, text) {
  results.push({ name, ok, text });
  keep('results', results);
  show();
}

const provider = {
  redirectUrl: location.origin + '/callback',
  clientMetadata: { redirect_uris: [location.origin + '/callback'], token_endpoint_auth_method: 'none' },
  clientInformation: (context) => ({ client_id: plan.client, issuer: context?.issuer }),
  tokens: () => kept('tokens') ?? undefined,
  saveTokens: (tokens) => keep('tokens', tokens),
  redirectToAuthorization: (url) => { location.assign(url); },
  saveCodeVerifier: (verifier) => keep('verifier', verifier),
  codeVerifier: () => kept('verifier'),
  saveDiscoveryState: (state) => keep('discovery', state),
  discoveryState: () => kept('discovery') ?? undefined,
};

const transport = new StreamableHTTPClientTransport(new URL(plan.url), { authProvider: provider });
const client = new Client({ name: 'page', version: '1' }, { versionNegotiation: { mode: 'auto' } });

// step runs once over all visits of the page.
async function step(name, run) {
  if (results.some((result) => result.name === name)) return;
  try {
    note(name, true, await run());
  } catch (error) {
    if (error.name === 'UnauthorizedError') await new Promise(() => {}); // the page is left for a login
    note(name, false, `${error.name}: ${error.message}`);
    throw error;
  }
}

try {
  if (location.pathname === '/callback') {
    const parameters = new URLSearchParams(location.search);
    history.replaceState(null, '', '/');
    const login = results.some((result) => result.name === 'login') ? 'another login' : 'login';
    await step(login, async () => {
      await transport.finishAuth(parameters);
      return 'scope ' + kept('tokens').scope;
    });
  }
  try {
    await client.connect(transport);
  } catch (error) {
    if (error.name === 'UnauthorizedError') await new Promise(() => {});
    note('connect', false, `${error.name}: ${error.message}`);
    throw error;
  }
  await step('list of tools', async () => (await client.listTools()).tools.map((tool) => tool.name).join(', '));
  await step('call of ' + plan.call.name, async () => JSON.stringify((await client.callTool(plan.call)).content));
  await step('call of ' + plan.stepUp.name, async () => JSON.stringify((await client.callTool(plan.stepUp)).content));
} catch { /* it is noted */ }
end();

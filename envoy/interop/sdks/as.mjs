// An oidc-provider for the clients of `make interop`: node as.mjs PORT JWKS-FILE REDIRECT...
//
// It logs everybody in as alice and consents, without a page, and has two public
// clients: "app" gets no refresh tokens, and the tokens of "brief" live for three
// seconds. Pages may use it (CORS).
import { readFileSync } from 'node:fs';
import Provider, { errors } from 'oidc-provider';

const [port, file, ...redirects] = process.argv.slice(2);
const jwks = JSON.parse(readFileSync(file, 'utf8'));
const alg = jwks.keys[0].alg;
const scope = 'mcp:read mcp:write';

const app = (id, grants) => ({
  client_id: id, token_endpoint_auth_method: 'none', application_type: 'native', redirect_uris: redirects,
  grant_types: ['authorization_code', ...grants], id_token_signed_response_alg: alg,
});

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks,
  clients: [app('app', []), app('brief', ['refresh_token'])],
  scopes: ['openid', 'offline_access', ...scope.split(' ')],
  clientBasedCORS: () => true,
  cookies: { keys: ['for tests alone'] },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (ctx, interaction) => `/auto/${interaction.uid}` },
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo(ctx, resource, client) {
        if (!/^https?:/.test(resource)) throw new errors.InvalidTarget();
        const accessTokenTTL = client.clientId === 'brief' ? 3 : 600;
        return { scope, audience: resource, accessTokenFormat: 'jwt', accessTokenTTL, jwt: { sign: { alg } } };
      },
    },
  },
});
provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/auto/')) return next();
  const { params, session, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
  const accountId = session?.accountId ?? 'alice';
  const grant = (grantId && await provider.Grant.find(grantId)) || new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(`openid offline_access ${scope}`);
  for (const resource of [params.resource ?? []].flat()) grant.addResourceScope(resource, scope);
  const result = { login: { accountId }, consent: { grantId: await grant.save() } };
  await provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
});
provider.listen(Number(port), '127.0.0.1');

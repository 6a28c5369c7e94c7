// An oidc-provider for `make interop`: node as.mjs PORT JWKS-FILE
//
// It signs with the keys of the file, with the algorithm of the first one: the
// key that oidc-provider has of its own is public, and the same everywhere.
// Access tokens are JWTs (RFC 9068) for the resource that was asked for
// (RFC 8707), and opaque where none was.
import { readFileSync } from 'node:fs';
import Provider, { errors } from 'oidc-provider';

const [port, file] = process.argv.slice(2);
const jwks = JSON.parse(readFileSync(file, 'utf8'));
const alg = jwks.keys[0].alg;
const scope = 'mcp:read mcp:write';

const client = (id) => ({
  client_id: id, client_secret: `${id}-secret`, grant_types: ['client_credentials'],
  redirect_uris: [], response_types: [], id_token_signed_response_alg: alg,
});

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks,
  clients: [client('svc'), client('brief'), {
    ...client('app'), grant_types: ['authorization_code'], response_types: ['code'],
    redirect_uris: ['http://127.0.0.1:9/callback'],
  }],
  scopes: ['openid', ...scope.split(' ')],
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  cookies: { keys: ['for tests alone'] },
  // The tokens of one client are gone almost at once.
  ttl: { ClientCredentials: (ctx, token, { clientId }) => (clientId === 'brief' ? 2 : 600) },
  features: {
    devInteractions: { enabled: true }, // its pages take any name and password
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo(ctx, resource) {
        if (!/^https?:/.test(resource)) throw new errors.InvalidTarget();
        return { scope, audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg } } };
      },
    },
  },
});
provider.listen(Number(port), '127.0.0.1');

// An oidc-provider whose client authenticates with a certificate (RFC 8705): node mtls.mjs PORT JWKS-FILE
//
// It reads authority.pem, server.pem and server.key beside it. The client cert is the one whose certificate is of that
// authority and names doorward.example.com.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import Provider, { errors } from 'oidc-provider';

const [port, file] = process.argv.slice(2);
const jwks = JSON.parse(readFileSync(file, 'utf8'));
const alg = jwks.keys[0].alg;
const scope = 'mcp:read';

const provider = new Provider(`https://127.0.0.1:${port}`, {
  jwks,
  clients: [{
    client_id: 'cert', grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    id_token_signed_response_alg: alg,
    token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'doorward.example.com',
  }],
  clientAuthMethods: ['tls_client_auth'],
  scopes: ['openid', scope],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    mTLS: {
      enabled: true,
      tlsClientAuth: true,
      getCertificate: (ctx) => ctx.socket.getPeerX509Certificate()?.toString(),
      certificateAuthorized: (ctx) => ctx.socket.authorized,
      certificateSubjectMatches: (ctx, property, expected) =>
        property === 'tls_client_auth_san_dns' &&
        ctx.socket.getPeerX509Certificate()?.subjectAltName === `DNS:${expected}`,
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo(ctx, resource) {
        if (resource !== 'https://api.example.com') throw new errors.InvalidTarget();
        return { scope, audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg } } };
      },
    },
  },
});
createServer({
  cert: readFileSync('server.pem'), key: readFileSync('server.key'), ca: readFileSync('authority.pem'),
  requestCert: true, rejectUnauthorized: false, // oidc-provider refuses, with an error code
}, provider.callback()).listen(Number(port), '127.0.0.1');

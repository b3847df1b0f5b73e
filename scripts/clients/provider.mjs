// provider.mjs: an OpenID provider for oidc.sh: npm's oidc-provider with its own pages, over TLS on loopback.
// Arguments: its port; a PEM file with certificate and key.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import Provider from 'oidc-provider'

const [port, pem] = process.argv.slice(2)
// What a program may ask a token for: its audience, and whether the token says by itself what it is.
const jwt = { scope: 'mail', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }
const opaque = { scope: 'mail', accessTokenFormat: 'opaque' }
const resources = {
  'urn:mail': { ...jwt, audience: 'urn:mail' },
  'urn:mail:asked': { ...opaque, audience: 'urn:mail' },
  'urn:mail:short': { ...jwt, audience: 'urn:mail', accessTokenTTL: 1 },
  'urn:calendar': { ...jwt, audience: 'urn:calendar' },
  'urn:calendar:asked': { ...opaque, audience: 'urn:calendar' },
}
const device = 'urn:ietf:params:oauth:grant-type:device_code'
const nothing = { redirect_uris: [], response_types: [] }
const provider = new Provider(`https://localhost:${port}`, {
  clients: [
    { client_id: 'program', token_endpoint_auth_method: 'none', application_type: 'native', redirect_uris: ['http://127.0.0.1:9/cb'],
      grant_types: ['authorization_code', 'refresh_token', device] },
    { client_id: 'robot', client_secret: 'robot secret', grant_types: ['client_credentials'], ...nothing },
    { client_id: 'mail', client_secret: 'mail & secret', grant_types: [], ...nothing },
  ],
  cookies: { keys: ['cookies'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: id }) }),
  extraTokenClaims: (_, token) => (token.accountId ? { email: token.accountId } : {}),
  scopes: ['openid', 'offline_access', 'mail'],
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (_, client) => client.clientId === 'mail' },
    revocation: { enabled: true },
    resourceIndicators: { enabled: true, getResourceServerInfo: (_, name) => resources[name], useGrantedResource: () => true },
  },
})
const key = readFileSync(pem)
createServer({ key, cert: key }, provider.callback()).listen(port, '127.0.0.1', () => console.log('ready'))

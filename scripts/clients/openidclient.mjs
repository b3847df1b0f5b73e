// A program and a site, by npm's openid-client, use our OAuth provider: openidclient.mjs ISSUER ADDRESS PASSWORD CLIENT SECRET, where CLIENT is a site
// with a secret. It prints an access token of ADDRESS, or fails with what was wrong.
import assert from 'node:assert';
import * as openid from 'openid-client';

const [issuer, address, password, clientID, secret] = process.argv.slice(2);
const back = 'http://127.0.0.1:9/back';

// answer sends a page's form as a person would.
async function answer(url, fields) {
    const page = await (await fetch(url)).text();
    const form = new URLSearchParams();
    for (const [input] of page.matchAll(/<input[^>]*>/g)) {
        const name = /name="([^"]*)"/.exec(input)?.[1];
        if (name && /type="hidden"/.test(input)) form.set(name, (/value="([^"]*)"/.exec(input)?.[1] ?? '').replaceAll('&amp;', '&'));
    }
    for (const [name, value] of Object.entries({ login: address, password, allow: 'yes', ...fields })) form.set(name, value);
    const action = new URL(url);
    action.search = '';
    return fetch(action, { method: 'POST', body: form, redirect: 'manual' });
}

// The program registers itself, has a person allow it in, and renews its tokens. RFC 7591, RFC 6749, RFC 7636.
const program = await openid.dynamicClientRegistration(new URL(issuer), { client_name: 'openid-client', redirect_uris: ['http://127.0.0.1/back'], token_endpoint_auth_method: 'none' }, openid.None());
const pkceCodeVerifier = openid.randomPKCECodeVerifier(), expectedState = openid.randomState(), expectedNonce = openid.randomNonce();
const url = openid.buildAuthorizationUrl(program, {
    redirect_uri: back, scope: 'openid email mail', state: expectedState, nonce: expectedNonce,
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256',
});
const allowed = await answer(url, {});
assert.equal(allowed.status, 303);
const first = await openid.authorizationCodeGrant(program, new URL(allowed.headers.get('location')), { pkceCodeVerifier, expectedState, expectedNonce });
assert.equal(first.claims().email, address);
assert.equal((await openid.fetchUserInfo(program, first.access_token, first.claims().sub)).email, address);
const renewed = await openid.refreshTokenGrant(program, first.refresh_token);
assert.notEqual(renewed.refresh_token, first.refresh_token);

// A device without a browser. RFC 8628.
const device = await openid.initiateDeviceAuthorization(program, { scope: 'mail' });
const polled = openid.pollDeviceAuthorizationGrant(program, device);
assert.equal((await answer(device.verification_uri, { user_code: device.user_code, code: device.user_code })).status, 200);
const tokens = await polled;

// The site asks about tokens, and what is revoked is good no more. RFC 7662, RFC 7009.
const site = await openid.discovery(new URL(issuer), clientID, secret);
assert.equal((await openid.tokenIntrospection(site, tokens.access_token)).username, address);
await openid.tokenRevocation(program, tokens.refresh_token);
assert.equal((await openid.tokenIntrospection(site, tokens.access_token)).active, false);
console.log(renewed.access_token);

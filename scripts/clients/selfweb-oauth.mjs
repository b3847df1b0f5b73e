// A person in Chromium where two-step verification is required, who lets a program in by a passkey. See scripts/selfweb.sh.
import { chromium } from 'playwright-core'
import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'

const base = `https://localhost:${Number(process.env.OFFSET) + 444}`
const shots = process.env.SHOTS
let failures = 0

const browser = await chromium.launchPersistentContext(`${process.env.WORK}/profile-oauth`, {
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium', headless: true, ignoreHTTPSErrors: true, viewport: { width: 1000, height: 800 },
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
const page = browser.pages()[0] || await browser.newPage()
page.setDefaultTimeout(8000)
const said = []
page.on('console', (m) => said.push(m.text()))
const cdp = await browser.newCDPSession(page)
await cdp.send('WebAuthn.enable')
await cdp.send('WebAuthn.addVirtualAuthenticator', { options: {
  protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } })
await page.addInitScript(() => { PublicKeyCredential.isConditionalMediationAvailable = async () => false })

const trial = async (name, f) => {
  try {
    await f()
    console.log(`ok    ${name}`)
  } catch (e) {
    failures++
    console.log(`FAIL  ${name}\n        ${String(e.stack || e).split('\n').slice(0, 4).join('\n        ')}`)
    console.log('        at ' + page.url() + '\n        ' + (await page.locator('body').innerText().catch(() => '')).slice(0, 600).replaceAll('\n', '\n        '))
  }
}
const must = (ok, what) => { if (!ok) throw new Error(what) }
const shot = async (name) => { if (shots) await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true }) }
const says = async (text) => { await page.locator('body', { hasText: text }).waitFor() }
const press = (text) => page.getByRole('button', { name: text, exact: true }).click()
const ask = (path, ...args) => JSON.parse(execFileSync('curl', ['-sSk', '--max-time', '20', base + path, ...args], { encoding: 'utf8' }))

await trial('who has no second step gets no further than setting it up', async () => {
  await page.goto(base + '/account/app-passwords')
  await page.getByLabel('Address').fill('ann@example.test')
  await page.getByLabel('Password').fill('a password of hers')
  await press('Sign in')
  await says('It is required here')
  await shot('required')
})
await trial('a passkey becomes the second step', async () => {
  await page.getByRole('link', { name: 'Add a passkey' }).click()
  await press('Add a passkey')
  await says('The passkey was added')
  await page.goto(base + '/account/two-step')
  await press('Use my passkeys as the second step')
  await says('Your recovery codes')
  await page.goto(base + '/account')
  await says('Here you look after')
})

const client = ask('/oauth/register', '-H', 'Content-Type: application/json', '-d', '{"client_name":"Letter opener","redirect_uris":["http://127.0.0.1/cb"]}').client_id
const verifier = 'v'.repeat(50)
const wish = new URLSearchParams({ response_type: 'code', client_id: client, redirect_uri: 'http://127.0.0.1:9/cb', scope: 'mail', state: 's&t', code_challenge_method: 'S256',
  code_challenge: createHash('sha256').update(verifier).digest('base64url') })
await page.route('http://127.0.0.1:9/**', (r) => r.fulfill({ body: 'back at the program' }))
const back = async () => {
  await says('back at the program')
  const u = new URL(page.url())
  must(u.searchParams.get('state') === 's&t' && u.searchParams.get('code'), page.url())
  return u.searchParams.get('code')
}
await trial('a program is let in by a passkey alone', async () => {
  await page.goto(`${base}/oauth/authorize?${wish}`)
  await shot('oauth')
  await press('Sign in with a passkey and allow')
  const code = await back()
  const tokens = ask('/oauth/token', '-d', 'grant_type=authorization_code', '-d', `client_id=${client}`, '-d', `code=${code}`, '--data-urlencode', 'redirect_uri=http://127.0.0.1:9/cb', '-d', `code_verifier=${verifier}`)
  must(tokens.access_token, JSON.stringify(tokens))
})
await trial('and by password and passkey', async () => {
  await page.goto(`${base}/oauth/authorize?${wish}`)
  await page.getByLabel('Address').fill('ann@example.test')
  await page.getByLabel('Password').fill('a password of hers')
  await press('Sign in and allow')
  await says('Recovery code')
  await shot('oauth-second')
  await press('Use a passkey and allow')
  await back()
})
await trial('what was allowed is listed, and taken back', async () => {
  await page.goto(`${base}/account/programs`)
  await says('Letter opener')
  await shot('programs')
  await press('Take back')
  await says('The program has no access any more')
  await says('There are none')
})

await trial('the browser complained of nothing', async () => must(!said.some((s) => /Content Security/.test(s)), said.join('\n')))

await browser.close()
process.exit(failures ? 1 : 0)

// A person in Chromium, at the pages of their account. See scripts/selfweb.sh.
import { chromium } from 'playwright-core'
import { createHmac } from 'node:crypto'
import { execFileSync } from 'node:child_process'

const offset = Number(process.env.OFFSET)
const base = `https://localhost:${offset + 443}`
const imap = `imap://127.0.0.1:${offset + 143}`
const shots = process.env.SHOTS
const user = 'alice@demo.test'
let password = 'demo'
let failures = 0

const browser = await chromium.launchPersistentContext(`${process.env.WORK}/profile`, {
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium', headless: true, ignoreHTTPSErrors: true, viewport: { width: 1200, height: 900 },
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
const page = browser.pages()[0] || await browser.newPage()
page.setDefaultTimeout(8000)
const said = []
page.on('console', (m) => said.push(m.text()))
page.on('pageerror', (e) => said.push(String(e)))
// The virtual authenticator would choose a passkey in the field of the name by itself, where a person is asked.
await page.addInitScript(() => { if (!localStorage.offer) PublicKeyCredential.isConditionalMediationAvailable = async () => false })
const cdp = await browser.newCDPSession(page)
await cdp.send('WebAuthn.enable')
const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options: {
  protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } })

const trial = async (name, f) => {
  try {
    await f()
    console.log(`ok    ${name}`)
  } catch (e) {
    failures++
    console.log(`FAIL  ${name}\n        ${String(e.stack || e).split('\n').slice(0, 6).join('\n        ')}`)
    console.log('        at ' + page.url() + '\n        ' + (await page.locator('main').innerText().catch(() => '')).slice(0, 600).replaceAll('\n', '\n        '))
    await shot('fail')
  }
}
const must = (ok, what) => { if (!ok) throw new Error(what) }
const shot = async (name) => { if (shots) await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true }) }
const says = async (text) => { await page.locator('main', { hasText: text }).waitFor() }
const go = (path) => page.goto(base + path)
const press = (text) => page.getByRole('button', { name: text, exact: true }).click()

// codeOf is the authenticator's (RFC 6238).
const codeOf = (secret, ahead = 0) => {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  let bits = ''
  for (const c of secret) bits += letters.indexOf(c).toString(2).padStart(5, '0')
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)))
  const count = Buffer.alloc(8)
  count.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + ahead))
  const sum = createHmac('sha1', key).update(count).digest()
  return String((sum.readUInt32BE(sum[19] & 15) & 0x7fffffff) % 1e6).padStart(6, '0')
}
// opens reports whether a password opens IMAP.
const curl = (...args) => execFileSync('curl', ['-sS', '--max-time', '20', ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
const opens = (secret) => {
  try {
    curl('-u', `${user}:${secret}`, imap, '-X', 'NOOP')
    return true
  } catch { return false }
}
const signIn = async () => {
  await go('/account')
  await page.getByLabel('Address').fill(user)
  await page.getByLabel('Password').fill(password)
  await press('Sign in')
}
const signOut = async () => { await go('/account'); await press('Sign out'); await says('Address') }

await trial('a stranger sees the sign-in only', async () => {
  await go('/account/passkeys')
  must(page.url().startsWith(`${base}/account/sign-in?next=`), page.url())
  await shot('sign-in')
})
await trial('a wrong password is refused', async () => {
  await page.getByLabel('Address').fill(user)
  await page.getByLabel('Password').fill('not it')
  await press('Sign in')
  await says('That is wrong')
  await shot('sign-in-wrong')
})
await trial('the password opens the pages', async () => {
  await signIn()
  await says('Here you look after')
  await shot('overview')
  const [c] = (await browser.cookies(base)).filter((c) => c.name === '__Host-postroad')
  must(c && c.httpOnly && c.secure && c.sameSite === 'Lax' && c.path === '/', JSON.stringify(c))
})
await trial('a passkey is made, and renamed', async () => {
  await go('/account/passkeys')
  await page.getByLabel('Its name').fill('my laptop')
  await press('Add a passkey')
  await says('The passkey was added')
  await page.locator('summary').click()
  await page.getByLabel('New name').fill('laptop at home')
  await press('Save')
  await says('laptop at home')
  await shot('passkeys')
})
await trial('the same authenticator is not taken twice', async () => {
  await page.getByLabel('Its name').fill('again')
  await press('Add a passkey')
  await says('No passkey was made')
})
await trial('the passkey alone opens the pages', async () => {
  await signOut()
  await go('/account/sessions')
  await press('Sign in with a passkey')
  await says('this one')
  await says('passkey laptop at home')
})
await trial('a passkey that is offered in the field of the name opens them, too', async () => {
  await page.evaluate(() => { localStorage.offer = 1 })
  await press('Sign out')
  await page.waitForURL(base + '/account')
  await says('Here you look after')
  await page.evaluate(() => localStorage.clear())
})
let secret
await trial('two-step verification: an authenticator is set up', async () => {
  await go('/account/two-step')
  await shot('two-step-off')
  await press('Set up an authenticator')
  await shot('two-step-begun')
  secret = await page.locator('input[name=secret]').inputValue()
  await page.getByLabel('Type the six digits').fill(codeOf(secret) === '000000' ? '111111' : '000000')
  await press('Go on')
  await says('The code is wrong')
  await page.getByLabel('Type the six digits').fill(codeOf(secret))
  await press('Go on')
  await says('Your recovery codes')
  await shot('two-step-codes')
})
let recovery = []
await trial('it is on, and there are recovery codes', async () => {
  recovery = await page.locator('.codes code').allInnerTexts()
  must(recovery.length === 10, `${recovery.length} codes`)
  await go('/account/two-step')
  await says('10 recovery codes are left')
  await shot('two-step-on')
})
await trial('the main password opens IMAP no more', async () => must(!opens(password), 'it does'))
let app
await trial('an app password is made, and opens IMAP at once', async () => {
  await go('/account/app-passwords')
  await page.getByLabel('What for?').fill('Thunderbird')
  await press('Make it')
  await says('The password for Thunderbird')
  await shot('app-password-made')
  app = await page.locator('.secret code').innerText()
  must(opens(app), 'it does not')
  await go('/account/app-passwords')
  await says('IMAP, 127.0.0.1')
  await shot('app-passwords')
})
await trial('a connection of it is listed', async () => {
  const { spawn } = await import('node:child_process')
  const { createConnection } = await import('node:net')
  const socket = createConnection(offset + 143, '127.0.0.1')
  let heard = ''
  socket.on('data', (b) => { heard += b })
  const ended = new Promise((resolve) => socket.on('close', resolve))
  socket.on('error', () => {})
  socket.write(`a login ${user} "${app}"\r\nb id ("name" "Camel post")\r\n`)
  for (let i = 0; i < 100 && !heard.includes('b OK'); i++) await new Promise((r) => setTimeout(r, 50))
  await go('/account/sessions')
  await says('Camel post')
  await shot('sessions')
  await go('/account/app-passwords')
  await press('Remove')
  await says('The app password was removed')
  await ended
})
await trial('an app password that was removed opens nothing', async () => must(!opens(app), 'it does'))
await trial('password and code', async () => {
  await signOut()
  await signIn()
  await says('two-step verification')
  await shot('second-step')
  await page.getByLabel('Code of your authenticator').fill(codeOf(secret, 1))
  await press('Go on')
  await says('Here you look after')
})
await trial('password and passkey', async () => {
  await signOut()
  await signIn()
  await press('Use a passkey')
  await says('Here you look after')
})
await trial('password and recovery code, which is good once', async () => {
  await signOut()
  await signIn()
  await page.getByLabel('Code of your authenticator').fill(recovery[0])
  await press('Go on')
  await says('9 recovery codes are left')
  await signOut()
  await signIn()
  await page.getByLabel('Code of your authenticator').fill(recovery[0])
  await press('Go on')
  await says('That is wrong')
  await press('Use a passkey')
  await says('Here you look after')
})
await trial('the password is changed', async () => {
  await go('/account/password')
  await page.getByLabel('Present password').fill(password)
  await page.getByLabel('New password', { exact: true }).fill('short')
  await page.getByLabel('New password, once more').fill('short')
  await shot('password')
  password = 'four words of no matter'
  await page.getByLabel('New password', { exact: true }).fill(password)
  await page.getByLabel('New password, once more').fill(password)
  await press('Change the password')
  await says('Your password was changed')
  await signOut()
  await signIn()
  await press('Use a passkey')
  await says('Here you look after')
})
await trial('expunged messages come back', async () => {
  await go('/account/app-passwords')
  await page.getByLabel('What for?').fill('curl')
  await press('Make it')
  app = await page.locator('.secret code').innerText()
  const count = () => Number(/MESSAGES (\d+)/.exec(curl('-u', `${user}:${app}`, imap, '-X', 'STATUS INBOX (MESSAGES)'))[1])
  const before = count()
  curl('-u', `${user}:${app}`, `${imap}/INBOX`, '-X', 'STORE 1:2 +FLAGS (\\Deleted)')
  curl('-u', `${user}:${app}`, `${imap}/INBOX`, '-X', 'EXPUNGE')
  must(count() === before - 2, 'not expunged')
  await go('/account/deleted')
  for (const box of await page.locator('input[name=id]').all()) await box.check()
  await shot('deleted')
  await press('Bring them back')
  await says('back in their folders')
  must(count() === before, 'not back')
})
await trial('recent activity', async () => {
  await go('/account/activity')
  await says('wrong password, code or passkey')
  await says('you turned two-step verification on')
  const at = await page.locator('td time').first().evaluate((t) => ({ text: t.textContent, title: t.title, utc: t.dateTime }))
  must(/ UTC$/.test(at.title) && !/UTC/.test(at.text) && /\d:\d\d/.test(at.text), `a time is told as ${at.text}`)
  await shot('activity')
})
await trial('out of office', async () => {
  await go('/account/away')
  await page.getByLabel('yes, until I turn it off').check()
  await page.getByLabel('What colleagues read').fill('I am away until Monday.')
  await page.getByLabel('What others read').fill('I am away.')
  await shot('away')
  await press('Save')
  await says('senders are answered from now on')
  await says('Senders are answered now.')
  await page.getByLabel('no', { exact: true }).check()
  await press('Save')
  await says("Senders aren't answered.")
})
await trial('setting up a mail program', async () => {
  await go('/account/set-up')
  await says('SSL/TLS')
  await shot('set-up')
})
await trial('a message of a missing page', async () => {
  const answer = await go('/account/nowhere')
  must(answer.status() === 404, String(answer.status()))
})
await trial('it looks right in the dark, and on a telephone', async () => {
  await page.emulateMedia({ colorScheme: 'dark' })
  for (const name of ['', '/two-step', '/app-passwords']) {
    await go('/account' + name)
    await shot('dark' + name.replace('/', '-'))
  }
  await page.setViewportSize({ width: 390, height: 800 })
  for (const name of ['', '/sessions', '/activity']) {
    await go('/account' + name)
    must(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'wider than the screen: ' + name)
    await shot('phone' + name.replace('/', '-'))
  }
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 1200, height: 900 })
})
await trial('German and French', async () => {
  for (const [language, word] of [['de', 'Postfach'], ['fr', 'Boîte aux lettres']]) {
    await browser.setExtraHTTPHeaders({ 'Accept-Language': language })
    await go('/account')
    await says(word)
    await shot('overview-' + language)
  }
  await browser.setExtraHTTPHeaders({ 'Accept-Language': 'en' })
})
await trial('the passkey is removed, and opens nothing', async () => {
  await go('/account/passkeys')
  const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId }) // before the page tells the authenticator to forget it
  const [kept] = credentials
  await press('Remove')
  await says('The passkey was removed')
  for (let i = 0; i < 50 && (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials.length; i++) await new Promise((r) => setTimeout(r, 50))
  must((await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials.length === 0, 'the authenticator was not told')
  await cdp.send('WebAuthn.addCredential', { authenticatorId, credential: kept })
  await signOut()
  await press('Sign in with a passkey')
  await says('That is wrong')
})
await trial('the browser complained of nothing', async () => must(!said.some((s) => /Content Security|Error/.test(s) && !/40[0-9]/.test(s)), said.join('\n')))

await browser.close()
process.exit(failures ? 1 : 0)

"""Has a Thunderbird that runs with --marionette set up an account in its Account Hub, as a person would: name, address, password.

thunderbird.py NAME ADDRESS PASSWORD

It fails unless the account that results reads its inbox, which has one message, over TLS on the ports told by autoconfig, and a letter that is
sent with it arrives there too.
Written for Thunderbird 153; elements are found by their ids.
"""
import json
import socket
import sys
import time

SETUP = r"""
const [name, address, password] = arguments, done = arguments[arguments.length - 1];
const win = Services.wm.getMostRecentWindow("mail:3pane");
const sleep = ms => new Promise(r => win.setTimeout(r, ms));
const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");

function* below(root) {
  for (const e of root.querySelectorAll("*")) {
    yield e;
    if (e.shadowRoot) yield* below(e.shadowRoot);
  }
}
const hub = () => { const h = win.document.querySelector("account-hub-container"); return h && (h.shadowRoot || h); };
const shown = e => e.getClientRects().length > 0;
const find = sel => { for (const e of hub() ? below(hub()) : []) if (e.matches(sel) && shown(e)) return e; };
async function until(what, test) {
  for (let t = 0; t < 150; t++) {
    const v = test();
    if (v) return v;
    await sleep(200);
  }
  throw new Error("no " + what);
}
async function type(sel, text) {
  const e = await until(sel, () => find(sel));
  e.focus();
  e.value = text;
  for (const kind of ["input", "change"]) e.dispatchEvent(new win.Event(kind, {bubbles: true, composed: true}));
}
async function next() {
  (await until("enabled button", () => { const b = find("#forward"); return b && !b.disabled && b; })).click();
}

// send sends a letter to oneself.
function send(account) {
  const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
  fields.from = fields.to = address;
  fields.subject = "to myself";
  const {MessageSend} = ChromeUtils.importESModule("resource:///modules/MessageSend.sys.mjs");
  return new Promise((sent, failed) => {
    const listener = {
      QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener"]),
      onStartSending() {}, onStatus() {}, onSendNotPerformed() {}, onGetDraftFolderURI() {}, onProgress() {},
      onTransportSecurityError() { failed(new Error("no trust")); },
      onStopSending(id, status) { status ? failed(new Error("not sent: " + status)) : sent(); },
    };
    new MessageSend().createAndSendMessage(null, account.defaultIdentity, account.key, fields, false, false, Ci.nsIMsgCompDeliverMode.Now, null,
      "text/plain", "Hello.\r\n", null, null, listener, "", "", Ci.nsIMsgCompType.New);
  });
}

(async () => {
  Services.io.offline = false;
  await win.openAccountHub("MAIL");
  await type("#realName", name);
  await type("#email", address);
  await next();
  await until("settings found", () => find("label#imap"));
  await next();
  await type("input[type=password]", password);
  await next();
  const account = await until("account", () => MailServices.accounts.accounts.find(a => a.incomingServer?.type == "imap"));
  const server = account.incomingServer, inbox = () => server.rootFolder.getChildNamed("INBOX");
  server.performBiff(null);
  await until("message in the inbox", () => { try { return inbox().getTotalMessages(false) == 1; } catch (e) { return false; } });
  await send(account);
  await until("letter in the inbox", () => { server.performBiff(null); return inbox().getTotalMessages(false) == 2; });
  const out = MailServices.outgoingServer.servers[0];
  return {incoming: [server.port, server.socketType, server.username], outgoing: [out.serverURI.port, out.socketType, out.username]};
})().then(v => done({ok: v}), e => done({error: String(e)}));
"""


class Marionette:
    """The protocol: LENGTH:[0, id, command, parameters], answered by LENGTH:[1, id, error, result]."""

    def __init__(self):
        for attempt in range(120):
            try:
                self.conn = socket.create_connection(("127.0.0.1", 2828))
                break
            except OSError:
                time.sleep(0.5)
        else:
            sys.exit("Thunderbird doesn't answer")
        self.buffer, self.count = b"", 0
        self.read()

    def read(self):
        while b":" not in self.buffer:
            self.buffer += self.conn.recv(65536)
        length, _, rest = self.buffer.partition(b":")
        while len(rest) < int(length):
            rest += self.conn.recv(65536)
        self.buffer = rest[int(length):]
        return json.loads(rest[: int(length)])

    def command(self, name, **parameters):
        self.count += 1
        message = json.dumps([0, self.count, name, parameters]).encode()
        self.conn.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self.read()
        if error:
            sys.exit(f"{name}: {error}")
        return result


def main():
    m = Marionette()
    m.command("WebDriver:NewSession", capabilities={})
    m.command("WebDriver:SetTimeouts", script=100_000)
    m.command("Marionette:SetContext", value="chrome")
    got = m.command("WebDriver:ExecuteAsyncScript", script=SETUP, args=sys.argv[1:4], sandbox="system", newSandbox=False)["value"]
    print(got)
    tls, address = 3, sys.argv[2]
    sys.exit(0 if got.get("ok") == {"incoming": [993, tls, address], "outgoing": [465, tls, address]} else 1)


main()

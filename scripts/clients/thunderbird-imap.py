"""Thunderbird, without a screen, against a demo server: its mailboxes, flags, labels, copies, moves, a folder's life, and a
message that is pushed to it. It is told what to do by Marionette, its remote control. thunderbird-imap.py USER"""

import imaplib
import json
import os
import smtplib
import socket
import subprocess
import sys
import tempfile
import time

OFFSET = int(os.environ["OFFSET"])
USER = sys.argv[1]
CONTROL = OFFSET + 828  # where Marionette listens

PREFS = {
    "mail.accountmanager.accounts": "account1,account2",
    "mail.accountmanager.defaultaccount": "account1",
    "mail.accountmanager.localfoldersserver": "server2",
    "mail.account.account1.server": "server1",
    "mail.account.account1.identities": "id1",
    "mail.account.account2.server": "server2",
    "mail.server.server1.type": "imap",
    "mail.server.server1.hostname": "127.0.0.1",
    "mail.server.server1.port": OFFSET + 143,
    "mail.server.server1.userName": USER,
    "mail.server.server1.name": "demo",
    "mail.server.server1.socketType": 0,
    "mail.server.server1.authMethod": 3,
    "mail.server.server1.login_at_startup": False,
    "mail.server.server1.check_new_mail": True,
    "mail.server.server1.autosync_offline_stores": True,
    "mail.server.server1.realhostname": "127.0.0.1",
    "mail.server.server1.realuserName": USER,
    "mail.server.server2.type": "none",
    "mail.server.server2.hostname": "Local Folders",
    "mail.server.server2.userName": "nobody",
    "mail.server.server2.name": "Local Folders",
    "mail.identity.id1.useremail": USER,
    "mail.identity.id1.fullName": "Demo",
    "mail.identity.id1.valid": True,
    "marionette.port": CONTROL,
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mailnews.start_page.enabled": False,
    "network.proxy.type": 0,
}

# What each piece of JavaScript begins with.
TOOLS = """
const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const {setTimeout} = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
const server = MailServices.accounts.accounts[0].incomingServer;
const root = server.rootFolder;
const inbox = root.getFolderWithFlags(0x1000);
const pause = ms => new Promise(done => setTimeout(done, ms));
const until = async what => { for (let i = 0; i < 200 && !what(); i++) await pause(100); if (!what()) throw "in vain: " + what; };
const all = f => [f, ...f.subFolders.flatMap(all)];
const called = name => all(root).find(f => f.name == name);
const messages = f => { let keys = []; for (const h of f.messages) keys.push(h.messageKey); return keys; };
"""


class Remote:
    def __init__(self):
        for _ in range(600):
            try:
                self.conn = socket.create_connection(("127.0.0.1", CONTROL))
                break
            except OSError:
                time.sleep(0.1)
        self.number, self.ahead = 0, b""
        self.receive()
        self.command("WebDriver:NewSession", {})
        self.command("Marionette:SetContext", {"value": "chrome"})
        self.command("WebDriver:SetTimeouts", {"script": 60000})

    def receive(self):
        while b":" not in self.ahead:
            self.ahead += self.conn.recv(65536)
        size, text = self.ahead.split(b":", 1)
        while len(text) < int(size):
            text += self.conn.recv(65536)
        self.ahead = text[int(size):]
        return json.loads(text[:int(size)])

    def command(self, name, params):
        self.number += 1
        text = json.dumps([0, self.number, name, params]).encode()
        self.conn.sendall(b"%d:%s" % (len(text), text))
        answer = self.receive()
        assert not answer[2], answer[2]
        return answer[3]

    def run(self, code):
        script = "const done = arguments[arguments.length - 1]; (async () => {%s %s})().then(done, e => done('failed: ' + e));" % (TOOLS, code)
        value = self.command("WebDriver:ExecuteAsyncScript", {"script": script, "args": []})["value"]
        assert not str(value).startswith("failed: "), value
        return value


def deliver(n):
    with smtplib.SMTP("127.0.0.1", OFFSET + 25) as s:
        for i in range(n):
            s.sendmail("a@elsewhere.example", [USER], "From: a@elsewhere.example\r\nSubject: number %d\r\n\r\nHello.\r\n" % i)


def trial(remote):
    deliver(9)
    remote.run("""
        const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
        login.init("imap://127.0.0.1", null, "imap://127.0.0.1", "%s", "demo", "", "");
        await Services.logins.addLoginAsync(login);
        server.password = "demo";
        server.performExpand(null);
        await until(() => called("Sent") && called("Trash"));
        inbox.updateFolder(null);
        await until(() => inbox.getTotalMessages(false) == 9);
    """ % USER)
    remote.run("""
        const by = key => inbox.GetMessageHeader(key);
        inbox.markMessagesRead([by(1), by(2)], true);
        inbox.markMessagesFlagged([by(3)], true);
        inbox.addKeywordsToMessages([by(4)], "$label1");
        root.createSubfolder("From Thunderbird", null);
        await until(() => called("From Thunderbird"));
    """)
    copy = "MailServices.copy.copyMessages(inbox, [%s].map(k => inbox.GetMessageHeader(k)), called('From Thunderbird'), %s, null, null, false);"
    remote.run(copy % ("5, 6", "false"))
    wait_for(lambda: has('"From Thunderbird"', 2))
    remote.run(copy % ("7", "true"))
    wait_for(lambda: has("INBOX", 8))
    remote.run("inbox.deleteMessages([inbox.GetMessageHeader(8)], null, false, false, null, false);")
    wait_for(lambda: has("INBOX", 7))
    remote.run("called('From Thunderbird').rename('Grüße', null); await until(() => called('Grüße'));")
    deliver(1)  # IDLE
    remote.run("await until(() => messages(inbox).includes(10) && inbox.GetMessageHeader(10).subject == 'number 0');")


def has(mailbox, n):
    with imaplib.IMAP4("127.0.0.1", OFFSET + 143) as c:
        c.login(USER, "demo")
        status = c.status(mailbox, "(MESSAGES)")[1][0] or b""
        assert b"MESSAGES %d)" % n in status, status


def check():
    with imaplib.IMAP4("127.0.0.1", OFFSET + 143) as c:
        c.login(USER, "demo")
        c.select("INBOX")
        flags = [line.decode() for line in c.uid("FETCH", "1:*", "(FLAGS)")[1]]
        for uid, flag in (1, "\\Seen"), (2, "\\Seen"), (3, "\\Flagged"), (4, "$label1"):
            assert any("UID %d " % uid in f and flag in f for f in flags), flags
        assert [f.split("UID ")[1].split(" ")[0] for f in flags] == ["1", "2", "3", "4", "5", "6", "9", "10"], flags
    has('"Gr&APwA3w-e"', 3)
    has("Trash", 1)


def wait_for(what):
    until = time.time() + 30
    while True:
        try:
            return what()
        except AssertionError:
            if time.time() > until:
                raise
            time.sleep(0.2)


with tempfile.TemporaryDirectory() as home:
    with open(home + "/user.js", "w") as f:
        for name, value in PREFS.items():
            f.write("user_pref(%s, %s);\n" % (json.dumps(name), json.dumps(value)))
    program = subprocess.Popen(
        ["thunderbird", "--headless", "--no-remote", "--profile", home, "--marionette", "--remote-allow-system-access"],
        env={**os.environ, "HOME": home, "MOZ_HEADLESS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        remote = Remote()
        trial(remote)
        wait_for(check)
        remote.command("Marionette:Quit", {"flags": ["eForceQuit"]})
        program.wait(20)
    finally:
        program.kill()
        program.wait()

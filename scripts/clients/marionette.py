"""Thunderbird, without a screen, told what to do by Marionette, its remote control."""

import json
import os
import socket
import subprocess
import tempfile
import time

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
    def __init__(self, control):
        for _ in range(600):
            try:
                self.conn = socket.create_connection(("127.0.0.1", control))
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


def wait_for(what):
    until = time.time() + 30
    while True:
        try:
            return what()
        except AssertionError:
            if time.time() > until:
                raise
            time.sleep(0.2)


def account(kind, port, user, **settings):
    """Is the preferences of a Thunderbird with one account, at a demo server, and what is on by itself off."""
    prefs = {
        "mail.accountmanager.accounts": "account1,account2",
        "mail.accountmanager.defaultaccount": "account1",
        "mail.accountmanager.localfoldersserver": "server2",
        "mail.account.account1.server": "server1",
        "mail.account.account1.identities": "id1",
        "mail.account.account2.server": "server2",
        "mail.server.server1.type": kind,
        "mail.server.server1.hostname": "127.0.0.1",
        "mail.server.server1.port": port,
        "mail.server.server1.userName": user,
        "mail.server.server1.name": "demo",
        "mail.server.server1.socketType": 0,
        "mail.server.server1.authMethod": 3,
        "mail.server.server1.login_at_startup": False,
        "mail.server.server1.realhostname": "127.0.0.1",
        "mail.server.server1.realuserName": user,
        "mail.server.server2.type": "none",
        "mail.server.server2.hostname": "Local Folders",
        "mail.server.server2.userName": "nobody",
        "mail.server.server2.name": "Local Folders",
        "mail.identity.id1.useremail": user,
        "mail.identity.id1.fullName": "Demo",
        "mail.identity.id1.valid": True,
        "app.update.enabled": False,
        "datareporting.policy.dataSubmissionEnabled": False,
        "mail.provider.suppress_dialog_on_startup": True,
        "mailnews.start_page.enabled": False,
        "network.proxy.type": 0,
    }
    return prefs | {"mail.server.server1." + name: value for name, value in settings.items()}


def with_thunderbird(control, prefs, trial):
    """Starts Thunderbird with a new profile, has trial(remote) done, and ends it. control is Marionette's port."""
    with tempfile.TemporaryDirectory() as home:
        with open(home + "/user.js", "w") as f:
            for name, value in {**prefs, "marionette.port": control}.items():
                f.write("user_pref(%s, %s);\n" % (json.dumps(name), json.dumps(value)))
        program = subprocess.Popen(
            ["thunderbird", "--headless", "--no-remote", "--profile", home, "--marionette", "--remote-allow-system-access"],
            env={**os.environ, "HOME": home, "MOZ_HEADLESS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            remote = Remote(control)
            trial(remote)
            remote.command("Marionette:Quit", {"flags": ["eForceQuit"]})
            program.wait(20)
        finally:
            program.kill()
            program.wait()

"""Thunderbird, without a screen, against a demo server: its mailboxes, flags, labels, copies, moves, a folder's life, and a
message that is pushed to it. It is told what to do by Marionette, its remote control. thunderbird-imap.py USER"""

import imaplib
import os
import smtplib
import sys

from marionette import account, wait_for, with_thunderbird

OFFSET = int(os.environ["OFFSET"])
USER = sys.argv[1]
CONTROL = OFFSET + 828  # where Marionette listens

PREFS = account("imap", OFFSET + 143, USER, check_new_mail=True, autosync_offline_stores=True)


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


def all_of_it(remote):
    trial(remote)
    wait_for(check)


with_thunderbird(CONTROL, PREFS, all_of_it)

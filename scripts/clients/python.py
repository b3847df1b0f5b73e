"""Python's own mail modules against a demo server: python.py TRIAL"""

import imaplib
import os
import poplib
import smtplib
import socket
import ssl
import statistics
import sys
import time

OFFSET = int(os.environ["OFFSET"])
ALICE, BOB = "alice@demo.test", "bob@demo.test"
USER7, USER8 = "user7@demo.test", "user8@demo.test"
MESSAGE = "From: %s\r\nTo: %s\r\nSubject: %s\r\n\r\nHello.\r\n.\r\n..dots\r\n"


def tls():
    return ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])


def port(n):
    return OFFSET + n


def expect(condition, what):
    if not condition:
        sys.exit("FAILED: %s" % (what,))


def bobs_newest():
    with imaplib.IMAP4_SSL("localhost", port(993), ssl_context=tls()) as m:
        m.login(BOB, "demo")
        m.select("INBOX", readonly=True)
        return m.fetch("*", "(BODY.PEEK[])")[1][0][1].decode()


def send(s, name):
    expect(s.sendmail(ALICE, [BOB], MESSAGE % (ALICE, BOB, name)) == {}, "refused")
    s.quit()
    got = bobs_newest()
    expect(got.endswith(MESSAGE % (ALICE, BOB, name)), got)


def smtplib_plain():
    s = smtplib.SMTP("localhost", port(587))
    s.login(ALICE, "demo")
    send(s, "plain")


def smtplib_starttls():
    s = smtplib.SMTP("localhost", port(587))
    s.starttls(context=tls())
    s.login(ALICE, "demo")
    send(s, "starttls")


def smtplib_tls():
    s = smtplib.SMTP_SSL("localhost", port(465), context=tls())
    s.login(ALICE, "demo")
    send(s, "tls")


def smtplib_lmtp():
    s = smtplib.LMTP("localhost", port(24))
    refused = s.sendmail(ALICE, [BOB, "nobody@demo.test"], MESSAGE % (ALICE, BOB, "lmtp"))
    expect(list(refused) == ["nobody@demo.test"], refused)
    expect("Subject: lmtp" in bobs_newest(), "not there")


def bdat():
    s = smtplib.SMTP("localhost", port(25))
    s.ehlo()
    expect(s.has_extn("chunking"), s.esmtp_features)
    s.mail(ALICE)
    s.rcpt(BOB)
    body = (MESSAGE % (ALICE, BOB, "bdat")).encode()
    s.send(b"BDAT 20\r\n" + body[:20])
    expect(s.getreply()[0] == 250, "first chunk")
    s.send(b"BDAT %d LAST\r\n" % len(body[20:]) + body[20:])
    expect(s.getreply()[0] == 250, "last chunk")
    s.quit()
    expect(bobs_newest().endswith(body.decode()), "other bytes")


def ok(answer):
    expect(answer[0] == "OK", answer)
    return answer[1]


def imaplib_trial():
    m = imaplib.IMAP4("localhost", port(143))
    m.starttls(ssl_context=tls())
    ok(m.login(USER7, "demo"))
    ok(m.create("Work/Plans"))
    body = (MESSAGE % (USER7, USER7, "appended")).encode()
    for _ in range(3):
        ok(m.append("INBOX", r"(\Seen custom)", imaplib.Time2Internaldate(1700000000), body))
    expect(ok(m.select("INBOX")) == [b"3"], "select")
    expect(ok(m.fetch("2", "(BODY.PEEK[])"))[0][1] == body, "fetch")
    expect(b"custom" in ok(m.fetch("2", "(FLAGS)"))[0], "keyword")
    ok(m.store("2", "+FLAGS", r"(\Flagged)"))
    expect(ok(m.search(None, "FLAGGED")) == [b"2"], "search")
    expect(ok(m.uid("SEARCH", "SUBJECT", "appended", "KEYWORD", "custom")) == [b"1 2 3"], "uid search")
    ok(m.copy("1:2", "Work/Plans"))
    ok(m.uid("MOVE", "3", "Archive"))
    ok(m.store("1", "+FLAGS", r"(\Deleted)"))
    expect(ok(m.expunge())[-1:] == [b"1"], "expunge")  # the MOVE's is in front of it
    expect(b"MESSAGES 2" in ok(m.status("Work/Plans", "(MESSAGES)"))[0], "status")
    ok(m.rename("Work/Plans", "Work/Done"))
    expect(any(b"Work/Done" in line for line in ok(m.list())), "list")
    ok(m.delete("Work/Done"))
    ok(m.close())
    m.logout()
    wrong = imaplib.IMAP4("localhost", port(143))
    try:
        wrong.login(USER7, "wrong")
        sys.exit("FAILED: signed in with a wrong password")
    except imaplib.IMAP4.error:
        wrong.logout()


def poplib_trial():
    with smtplib.LMTP("localhost", port(24)) as s:
        for n in range(3):
            s.sendmail(ALICE, [USER8], MESSAGE % (ALICE, USER8, "pop %d" % n))
    p = poplib.POP3_SSL("localhost", port(995), context=tls())
    p.user(USER8)
    p.pass_("demo")
    expect(p.stat()[0] == 3, p.stat())
    uids = p.uidl()[1]
    expect(len(set(u.split()[1] for u in uids)) == 3, uids)
    _, lines, octets = p.retr(2)
    expect(b"Subject: pop 1" in lines and lines[-2:] == [b".", b"..dots"], lines)
    expect(sum(len(line) + 2 for line in lines) == int(p.list(2).split()[2]), "octets")
    expect(len(p.top(1, 1)[1]) < len(lines), "top")
    p.dele(1)
    p.rset()
    p.dele(2)
    p.quit()
    p = poplib.POP3("localhost", port(110))
    p.stls(context=tls())
    p.user(USER8)
    p.pass_("demo")
    expect([u.split()[1] for u in p.uidl()[1]] == [uids[0].split()[1], uids[2].split()[1]], "uidl after dele")
    p.quit()


def idle_latency():
    """From the 250 of a delivery to the notice in IDLE: under 50 ms."""
    c = socket.create_connection(("localhost", port(143)))
    f = c.makefile("rb")
    f.readline()
    for n, command in enumerate(["LOGIN %s demo" % USER7, "SELECT INBOX", "IDLE"]):
        c.sendall(("a%d %s\r\n" % (n, command)).encode())
        line = f.readline()
        while not line.startswith((b"a%d " % n, b"+")):
            line = f.readline()
    waits = []
    for n in range(20):
        with smtplib.LMTP("localhost", port(24)) as s:
            s.sendmail(ALICE, [USER7], MESSAGE % (ALICE, USER7, "idle"))
            start = time.perf_counter()
            while b"EXISTS" not in f.readline():
                pass
            waits.append(time.perf_counter() - start)
    print("median %.2f ms, worst %.2f ms" % (statistics.median(waits) * 1000, max(waits) * 1000))
    expect(max(waits) < 0.05, waits)


def expunge_last():
    """Removes the last message of the user named behind the trial."""
    with imaplib.IMAP4("localhost", port(143)) as m:
        m.login(sys.argv[2], "demo")
        count = m.select("INBOX")[1][0].decode()
        expect(m.store(count, "+FLAGS.SILENT", "(\\Deleted)")[0] == "OK", "store")
        expect(m.expunge() == ("OK", [count.encode()]), "expunge")


trials = {
    "imaplib": imaplib_trial,
    "poplib": poplib_trial,
}
name = sys.argv[1]
socket.setdefaulttimeout(30)
trials.get(name, globals().get(name))()

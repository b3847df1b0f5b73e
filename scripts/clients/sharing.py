# sharing.py: by Python's imaplib, two people share a mailbox.
import imaplib
import os
import sys

port = int(os.environ["OFFSET"]) + 143
owner, guest = sys.argv[1:]


def login(who):
    c = imaplib.IMAP4("localhost", port)
    c.login(who + "@demo.test", "demo")
    return c


def ok(answer):
    if answer[0] != "OK":
        sys.exit("%r" % (answer,))
    return answer[1]


a, b = login(owner), login(guest)
inbox = '"Other Users/%s@demo.test/INBOX"' % owner
if b"Other Users/" not in ok(b.namespace())[0]:
    sys.exit("no namespace of others")
if ok(b.list('"Other Users/"', "*")) != [None]:
    sys.exit("something is shared already")
ok(a.setacl("INBOX", guest + "@demo.test", "lrsi"))
if not any(inbox.encode() in line for line in ok(b.list('"Other Users/"', "*"))):
    sys.exit("not listed")
ok(b.select(inbox))
_, found = b.search(None, "ALL")
first = found[0].split()[0]
if b"Subject:" not in ok(b.fetch(first, "(BODY[HEADER.FIELDS (SUBJECT)])"))[0][1]:
    sys.exit("not readable")
ok(b.copy(first, "INBOX"))
if b.store(first, "+FLAGS", r"(\Deleted)")[0] != "NO":
    sys.exit("deleted without the right")
ok(b.append(inbox, r"(\Seen)", None, b"Subject: from a guest\r\n\r\nx\r\n"))
ok(a.select("INBOX"))
if ok(a.search(None, "SUBJECT", '"from a guest"')) == [b""]:
    sys.exit("the owner doesn't see it")

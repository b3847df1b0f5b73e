"""What import.sh does as a client of both servers, THERE and HERE (address, user, password):

imported.py fill N         N messages of all kinds for the first one
imported.py stop N PID PID2  when N messages are in the second one: stops a process; fails if the other ends before
imported.py count          prints how many are there
imported.py compare N      compares all messages of both
"""

import base64
import calendar
import collections
import email.utils
import hashlib
import imaplib
import os
import random
import re
import signal
import sys
import time

FOLDERS = [
    ("INBOX", 40), ("Sent", 12), ("Archive/2023", 9), ("Archive/2024/Q1", 9), ("Lists/Größe & Maß", 8), ("Work", 7),
    ("Work/Projects/Ünïcode", 6), ("日本語/受信箱", 5), ("a.b c", 3), ("Trash", 1), ("Empty", 0),
]
FLAGS = [r"\Seen", r"\Seen", r"\Seen", r"\Answered", r"\Flagged", r"\Draft", r"\Deleted", "$Forwarded", "$Junk", "NonJunk", "Urgent", "label-7"]


def utf7(name):
    """A mailbox's name as IMAP has it (RFC 3501 5.1.3)."""
    def shifted(run):
        return "&" + base64.b64encode(run[0].encode("utf-16-be")).decode().rstrip("=").replace("/", ",") + "-"
    return re.sub("[^ -~]+", shifted, name.replace("&", "&-"))


def connect(which):
    address, user, password = os.environ[which].split()
    host, port = address.split(":")
    m = imaplib.IMAP4(host, int(port))
    m.login(user, password)
    return m


class Letters:
    """Messages by their numbers: 6 KB on average, some of megabytes."""

    def __init__(self):
        r = random.Random(1)
        syllables = ["ba", "der", "en", "ki", "lo", "mu", "nach", "or", "pe", "quo", "ri", "st", "ta", "un", "vi", "wo", "xe", "yl", "zu"]
        words = ["".join(r.choices(syllables, k=r.randint(1, 4))) for _ in range(30000)]
        lines = (" ".join(r.choices(words, k=r.randint(3, 12))) for _ in range(60000))
        self.text = "\r\n".join(lines).encode()
        self.bytes = base64.encodebytes(r.randbytes(3 << 20)).replace(b"\n", b"\r\n")
        self.kinds = [self.plain, self.plain, self.latin, self.utf8, self.alternative, self.alternative, self.attachment, self.attached_message,
                      self.calendar, self.broken, self.bare, self.long_line]

    def some(self, r, n):
        """n bytes of text, or a little more, from the beginning of a line to the end of one."""
        at = self.text.find(b"\n", r.randrange(len(self.text) - n - 500)) + 1
        return self.text[at:self.text.find(b"\n", at + n) + 1]

    def coded(self, r, n):
        at = 78 * r.randrange((len(self.bytes) - n) // 78)
        return self.bytes[at:at + n // 78 * 78 + 78]

    def letter(self, number):
        r = random.Random(number)
        size = min(int(r.lognormvariate(7.9, 1.2)), 200_000)
        if r.randrange(2000) == 0:
            size = r.randrange(300_000, 3_000_000)
        kind = r.choice(self.kinds)
        head = "Received: from a.example by b.example with ESMTP id %x; %s\r\n" % (r.getrandbits(64), email.utils.formatdate(1.6e9 + r.randrange(10**8)))
        head += "From: =?utf-8?q?J=C3=BCrgen_%d?= <sender%d@a.example>\r\nTo: ann@example.test\r\nMessage-ID: <%x@a.example>\r\n" % (r.randrange(99), r.randrange(500), r.getrandbits(80))
        head += "Date: %s\r\nSubject: " % email.utils.formatdate(1.6e9 + r.randrange(10**8))
        return head.encode() + self.some(r, 1) + b"MIME-Version: 1.0\r\n" + kind(r, size)

    def plain(self, r, n):
        return b"Content-Type: text/plain; charset=us-ascii\r\n\r\n" + self.some(r, min(n, 100_000))

    def latin(self, r, n):
        return (b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
                + self.some(r, min(n, 100_000)).replace(b"un", b"=FCn"))

    def utf8(self, r, n):
        return (b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                + self.some(r, min(n, 100_000)).replace(b"or", "ör".encode()).replace(b"zu", "受".encode()))

    def alternative(self, r, n):
        n = min(n, 100_000)
        return (b'Content-Type: multipart/alternative; boundary="=_alt"\r\n\r\n--=_alt\r\nContent-Type: text/plain\r\n\r\n' + self.some(r, n // 4)
                + b"\r\n--=_alt\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>"
                + self.some(r, n // 2).replace(b"\r\n", b"<br>\r\n<b>x</b>") + b"</body></html>\r\n--=_alt--\r\n")

    def attachment(self, r, n):
        return (b'Content-Type: multipart/mixed; boundary=mixed\r\n\r\nPreamble\r\n--mixed\r\n\r\n' + self.some(r, 300)
                + b"\r\n--mixed\r\nContent-Type: application/octet-stream; name*=utf-8''%C3%A4.bin\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment\r\n\r\n"
                + self.coded(r, n) + b"--mixed--\r\nEpilogue\r\n")

    def attached_message(self, r, n):
        return (b'Content-Type: multipart/digest; boundary="a b"\r\n\r\n--a b\r\n\r\nSubject: inner\r\n' + self.attachment(r, n) + b"\r\n--a b\r\n\r\nSubject: other\r\n\r\n"
                + self.some(r, 100) + b"\r\n--a b--\r\n")

    def calendar(self, r, n):
        return b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nSUMMARY:" + self.some(r, 1) + b"END:VCALENDAR\r\n"

    def broken(self, r, n):
        return (b"Content-Type: multipart/mixed; boundary=never\r\nX-Raw: caf\xe9 \xff\r\nno field\r\n\r\n--never\r\nContent-Type: text/plain; charset=unknown\r\n\r\n"
                + self.some(r, min(n, 100_000))[:-1 - r.randrange(2)])

    def bare(self, r, n):
        """Lines that end with LF alone, CR in the middle: whatever the server there makes of them."""
        return b"\r\n" + self.some(r, min(n, 20_000)).replace(b"\r\n", b"\n", 3).replace(b" ", b"\r", 2)

    def long_line(self, r, n):
        return b"X-Long: " + b"y" * r.randrange(3000) + b"\r\n\r\n" + self.some(r, min(n, 50_000)).replace(b"\r\n", b" ") + b"\r\n"


def fill(count):
    m, letters = connect("THERE"), Letters()
    for name, _ in FOLDERS[1:]:
        m.create('"%s"' % utf7(name))
    places = random.Random(2).choices([n for n, _ in FOLDERS], [w for _, w in FOLDERS], k=count)
    places[0] = places[1 % count]
    by_folder = collections.defaultdict(list)
    for number, name in enumerate(places):
        by_folder[name].append(number)
    done = 0
    for name, numbers in by_folder.items():
        for at in range(0, len(numbers), 50):
            batch = numbers[at:at + 50]
            append(m, name, [item(letters, same(number)) for number in batch])
            done += len(batch)
            if done % 20_000 < len(batch):
                print("          %d" % done, flush=True)
    m.logout()


def same(number):
    """Some are equal, in one folder or in two."""
    return number // 2 * 2 if number % 50 < 2 else number


def item(letters, number):
    """A message as APPEND takes it, with flags and a date."""
    r = random.Random(-number)
    flags = sorted(set(r.choices(FLAGS, k=r.randrange(4))))
    date = time.strftime("%d-%b-%Y %H:%M:%S", time.gmtime(10**9 + r.randrange(8 * 10**8)))
    text = letters.letter(number)
    return b' (%s) "%s %s" {%d+}\r\n%s' % (" ".join(flags).encode(), date.encode(), r.choice([b"+0000", b"-0330", b"+0545"]), len(text), text)


def append(m, name, items):
    """Several at once (RFC 3502), each without waiting for leave (RFC 7888)."""
    m.send(b'fill APPEND "%s"' % utf7(name).encode() + b"".join(items) + b"\r\n")
    while True:
        line = m.readline()
        if not line or line.startswith(b"fill "):
            break
    if not line.startswith(b"fill OK"):
        sys.exit("APPEND: %r" % line)


def folders(m):
    for line in m.list()[1]:
        attributes, name = re.fullmatch(rb'\((.*?)\) "?.+?"? (.+)', line).groups()
        if rb"\noselect" not in attributes.lower() and rb"\nonexistent" not in attributes.lower():
            yield name.strip(b'"').decode()


def count(m):
    total = 0
    for name in folders(m):
        total += int(re.search(rb"MESSAGES (\d+)", m.status('"%s"' % name, "(MESSAGES)")[1][0])[1])
    return total


def stop(goal, pid, command):
    m = connect("HERE")
    while count(m) < goal:
        if not running(command):
            sys.exit(1)
        time.sleep(0.01)
    os.kill(pid, signal.SIGSTOP)


def running(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def contents(which):
    """All messages of an account, and its folders."""
    m, found, names = connect(which), collections.Counter(), set()
    for name in folders(m):
        names.add(name)
        total = int(m.select('"%s"' % name, readonly=True)[1][0])
        for first in range(1, total + 1, 200):
            answer = m.fetch("%d:%d" % (first, min(first + 199, total)), "(FLAGS INTERNALDATE BODY.PEEK[])")[1]
            for i, part in enumerate(answer):
                if isinstance(part, tuple):
                    after = answer[i + 1] if i + 1 < len(answer) and isinstance(answer[i + 1], bytes) else b""
                    found[(name, *about(part[0] + after), hashlib.sha256(part[1]).hexdigest())] += 1
    m.logout()
    return found, names


def about(text):
    flags = re.search(rb"FLAGS \((.*?)\)", text)[1].decode().split()
    date = re.search(rb'INTERNALDATE "(.*?)"', text)[1].decode().strip()
    zone = int(date[-5] + "1") * (int(date[-4:-2]) * 60 + int(date[-2:])) * 60
    at = calendar.timegm(time.strptime(date[:-6], "%d-%b-%Y %H:%M:%S")) - zone
    return " ".join(sorted(f for f in flags if f != r"\Recent")), at


def compare(expected):
    (there, folders_there), (here, folders_here) = contents("THERE"), contents("HERE")
    wrong = not sum(there.values()) == sum(here.values()) == expected
    print("%d messages there, %d here, %d of these different; %d folders" % (sum(there.values()), sum(here.values()), len(here), len(folders_there)))
    for text, few in (("folders that aren't here", folders_there - folders_here), ("missing here", there - here), ("too many here", here - there)):
        wrong = wrong or few
        for x in sorted(few)[:5]:
            print("%s (%d): %s" % (text, len(few), x))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    do, arguments = sys.argv[1], [int(a) for a in sys.argv[2:]]
    if do == "count":
        print(count(connect("HERE")))
    else:
        {"fill": fill, "stop": stop, "compare": compare}[do](*arguments)

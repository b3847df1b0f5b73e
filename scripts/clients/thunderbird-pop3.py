"""Thunderbird, without a screen, collects by POP3 from a demo server: left on the server; removed there when it is removed
here; removed there after some days; deleted when it was collected. thunderbird-pop3.py USER"""

import imaplib
import os
import poplib
import smtplib
import sys
import time

from marionette import account, wait_for, with_thunderbird

OFFSET = int(os.environ["OFFSET"])
USER = sys.argv[1]
CONTROL = OFFSET + 829  # where Marionette listens

PREFS = account("pop3", OFFSET + 110, USER, check_new_mail=False, leave_on_server=True, delete_mail_left_on_server=True)

# collect has what is new fetched, and wants so many messages here then.
COLLECT = """
server.password = "demo";
const pop = server.QueryInterface(Ci.nsIPop3IncomingServer);
const collect = async want => {
  const status = await new Promise(done => MailServices.pop3.GetNewMail(null,
    {QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]), OnStartRunningUrl() {}, OnStopRunningUrl(url, status) { done(status); }}, inbox, server));
  if (status) throw "not collected: " + status;
  await until(() => messages(inbox).length == want);
};
const named = subject => [...inbox.messages].find(h => h.subject == subject);
"""


def deliver(*subjects):
    with smtplib.SMTP("127.0.0.1", OFFSET + 25) as s:
        for subject in subjects:
            s.sendmail("a@elsewhere.example", [USER], "From: a@elsewhere.example\r\nSubject: %s\r\n\r\n.Hello.\r\n" % subject)


def left(*want):
    """Wants these subjects on the server."""
    def look():
        with imaplib.IMAP4("127.0.0.1", OFFSET + 143) as c:
            c.login(USER, "demo")
            c.select("INBOX", readonly=True)
            got = c.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
            subjects = [part[1].decode().split(": ")[1].strip() for part in got if isinstance(part, tuple)]
            assert subjects == list(want), subjects
    wait_for(look)


def age(remote, number, days):
    """Has Thunderbird believe that it collected a message of the server so many days ago."""
    c = poplib.POP3("127.0.0.1", OFFSET + 110)
    c.user(USER)
    c.pass_("demo")
    uidl = c.uidl(number).split()[2].decode()
    c.quit()
    file = remote.run("return server.localPath.path;") + "/popstate.dat"
    lines = open(file).read().splitlines()
    old = [i for i, line in enumerate(lines) if line.startswith("k %s " % uidl)]
    assert len(old) == 1, lines
    lines[old[0]] = "k %s %d" % (uidl, time.time() - days * 86400)
    with open(file, "w") as f:
        f.write("\n".join(lines) + "\n")


def trial(remote):
    deliver("one", "two", "three")
    remote.run(COLLECT + "await collect(3); await collect(3);")
    left("one", "two", "three")
    # What is removed here goes there at the next collection.
    remote.run(COLLECT + "inbox.deleteMessages([named('two')], null, true, false, null, false); await until(() => !named('two')); await collect(2);")
    left("one", "three")
    deliver("four")
    remote.run(COLLECT + "await collect(3); if (!named('four')) throw 'no four';")
    left("one", "three", "four")
    # After two weeks it is removed there, and stays here.
    age(remote, 1, 15)
    age(remote, 2, 13)
    deliver("five")
    remote.run(COLLECT + "pop.deleteByAgeFromServer = true; pop.numDaysToLeaveOnServer = 14; await collect(4); if (!named('one')) throw 'no one';")
    left("three", "four", "five")
    # No longer left on the server: all that was collected goes, and what comes goes at once.
    deliver("six")
    remote.run(COLLECT + "pop.leaveMessagesOnServer = false; await collect(5);")
    left()
    deliver("seven")
    remote.run(COLLECT + "await collect(6);")
    left()


with_thunderbird(CONTROL, PREFS, trial)

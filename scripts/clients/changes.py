"""A milter for scripts/scanners.sh: it refuses clients at each step, and changes messages as their subject says. Its argument is the socket."""
import sys

import Milter


class Changes(Milter.Base):
    def __init__(self):
        self.subject = ""
        self.heard = []

    def connect(self, name, family, address):
        self.heard = ["client=%s" % address[0], "port=%s" % self.getsymval("{client_port}"), "daemon=%s" % self.getsymval("{daemon_name}")]
        return Milter.REJECT if address[0] == "127.0.0.66" else Milter.CONTINUE

    def hello(self, name):
        if name == "evil.example":
            self.setreply("550", "5.7.0", "Not by", "that name")
            return Milter.REJECT
        self.heard.append("helo=" + name)
        return Milter.CONTINUE

    def envfrom(self, path, *params):
        if "later@" in path:
            return Milter.TEMPFAIL
        self.subject = ""
        self.envelope = [path, *params]
        return Milter.CONTINUE

    def envrcpt(self, path, *params):
        if "closed@" in path:
            self.setreply("550", "5.7.1", "Closed today")
            return Milter.REJECT
        self.envelope.append(path + "/" + (self.getsymval("{rcpt_mailer}") or ""))
        return Milter.CONTINUE

    def header(self, name, value):
        if name.lower() == "subject":
            self.subject = value
        return Milter.CONTINUE

    def abort(self):
        print("abort", flush=True)
        return Milter.CONTINUE

    def close(self):
        print("close", flush=True)
        return Milter.CONTINUE

    def eom(self):
        if self.subject == "change me":
            self.chgheader("Subject", 1, "changed it is")
            self.chgheader("X-Twice", 2, "")
            self.chgheader("X-Twice", 3, "new")
            self.addheader("X-Added", "one\n\ttwo")
            self.addheader("Reply-To", "<replies@there.example>")
            self.replacebody("a new body\r\n" * 20000)
        if self.subject == "other people":
            self.chgfrom("<other@there.example>")
            self.delrcpt("<ann@example.test>")
            self.addrcpt("<ben@example.test>")
            self.addrcpt("<stranger@elsewhere.example>")
        self.addheader("X-Heard", " ".join(self.heard + self.envelope))
        return Milter.CONTINUE


Milter.factory = Changes
Milter.set_flags(Milter.ADDHDRS + Milter.CHGHDRS + Milter.CHGBODY + Milter.ADDRCPT + Milter.DELRCPT + Milter.CHGFROM)
Milter.runmilter("changes", sys.argv[1], 60)

"""A milter for scripts/scanners.sh: it has opinions on subjects. Its argument is the socket: inet:port@host."""
import sys

import Milter


class Opinions(Milter.Base):
    def __init__(self):
        self.subject = ""
        self.macros = []

    def envfrom(self, name, *params):
        self.macros = [self.getsymval("i"), self.getsymval("j"), self.getsymval("{client_addr}")]
        return Milter.CONTINUE

    def header(self, name, value):
        if name.lower() == "subject":
            self.subject = value
        return Milter.CONTINUE

    def eom(self):
        if self.subject == "refuse me":
            self.setreply("554", "5.6.0", "Not this")
            return Milter.REJECT
        if self.subject == "later please":
            return Milter.TEMPFAIL
        if self.subject == "hold me":
            self.quarantine("held by subject")
        self.addheader("X-Milter", " ".join(m or "-" for m in self.macros))
        return Milter.ACCEPT


Milter.factory = Opinions
Milter.set_flags(Milter.ADDHDRS + Milter.QUARANTINE)
Milter.runmilter("opinions", sys.argv[1], 60)

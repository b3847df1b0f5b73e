package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"postroad/internal/model/mailbox"
	"postroad/internal/server/servertest"
)

// dialog speaks IMAP line by line.
type dialog struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
	n int
}

func newDialog(t *testing.T, s *servertest.Server, name string) *dialog {
	t.Helper()
	c, err := s.Network.DialFrom(t.Context(), "192.0.2.1", "mem:143")
	must(t, err)
	t.Cleanup(func() { c.Close() })
	d := &dialog{t: t, c: c, r: bufio.NewReader(c)}
	_, err = d.r.ReadString('\n')
	must(t, err)
	d.say("LOGIN " + name + "@" + servertest.Domain + " " + servertest.Password)
	return d
}

// say sends a command, a literal after each newline, and returns all that is answered; it must succeed.
func (d *dialog) say(command string) string {
	d.t.Helper()
	got := d.try(command)
	if !strings.Contains(got, fmt.Sprintf("a%d OK", d.n)) {
		d.t.Fatalf("%s: %s", command, got)
	}
	return got
}

func (d *dialog) try(command string) string {
	d.t.Helper()
	d.n++
	tag := fmt.Sprintf("a%d", d.n)
	_, err := io.WriteString(d.c, tag+" "+command+"\r\n")
	must(d.t, err)
	all := ""
	for {
		line, err := d.r.ReadString('\n')
		must(d.t, err)
		all += line
		if strings.HasPrefix(line, tag+" ") {
			return all
		}
	}
}

// put appends a message.
func (d *dialog) put(folder, flags, text string) {
	d.t.Helper()
	d.say(fmt.Sprintf("APPEND %s (%s) {%d+}\r\n%s", folder, flags, len(text), text))
}

// eventsHouse is a server on which dora has a script for IMAP events.
func eventsHouse(t *testing.T, script string) (*servertest.Server, *box, *dialog, *outside) {
	t.Helper()
	out := &outside{make(chan string, 100)}
	s := servertest.Start(t, servertest.Options{Send: out.send})
	dora := addBox(t, s, "dora@"+servertest.Domain)
	must(t, dora.s.PutScript(t.Context(), "events", script))
	d := newDialog(t, s, "dora")
	return s, dora, d, out
}

const note = "From: Ann <ann@far.example>\r\nTo: dora@example.test\r\nSubject: note\r\nDate: Sat, 14 Mar 2026 15:00:00 +0000\r\nMessage-ID: <n@x>\r\n\r\nA note.\r\n"

// folderOf tells the flags of a folder's messages: "\Seen work|".
func (b *box) folderOf(name string) string {
	b.t.Helper()
	f, ok := b.s.Child(0, name)
	if !ok {
		f, _ = b.s.FolderByRole(mailbox.Inbox)
	}
	v, err := b.s.View(b.t.Context(), f.ID)
	must(b.t, err)
	all := ""
	for _, row := range v.All(0, v.Len()) {
		var names []string
		for _, x := range []struct {
			flag mailbox.Flags
			name string
		}{{mailbox.Seen, "seen"}, {mailbox.Flagged, "flagged"}, {mailbox.Deleted, "deleted"}, {mailbox.Draft, "draft"}} {
			if row.Flags&x.flag != 0 {
				names = append(names, x.name)
			}
		}
		all += strings.Join(append(names, row.Keywords.Names()...), " ") + "|"
	}
	return all
}

// TestScriptsOnIMAPEvents: RFC 6785 §2.2, §2.3.1, §4: a script that is tied to a folder, or to all, runs on messages that come by APPEND,
// COPY and MOVE, and on flags that change; it hears who did what and where.
func TestScriptsOnIMAPEvents(t *testing.T) {
	s, dora, d, _ := eventsHouse(t, `require ["imapsieve", "environment", "imap4flags", "variables"];
		if environment :matches "imap.cause" "*" { set :lower "cause" "${1}"; }
		if environment :matches "imap.mailbox" "*" { set "box" "${1}"; }
		if environment :matches "imap.changedflags" "*" { set "flags" "${1}"; }
		if not allof(environment "imap.user" "dora@example.test", environment "imap.email" "dora@example.test", environment "phase" "post", environment "location" "MS") { stop; }
		if hasflag "off" { stop; }
		if string "${cause}" "flag" { if string :contains "${flags}" "\\Flagged" { addflag "changed"; } if string :contains "${flags}" "\\Seen" { addflag "read"; } } else { addflag ["${cause}", "in-${box}"]; }`)
	if got := d.say("CAPABILITY"); !strings.Contains(got, " IMAPSIEVE=sieve://"+servertest.Hostname) {
		t.Error(got)
	}
	d.put("Archive", "", note)
	if got := dora.folderOf("Archive"); got != "|" {
		t.Errorf("without a script: %q", got)
	}
	d.say(`SETMETADATA Archive (/shared/imapsieve/script "events")`)
	if got := d.say(`GETMETADATA Archive /shared/imapsieve/script`); !strings.Contains(got, `(/shared/imapsieve/script events)`) && !strings.Contains(got, `"events"`) {
		t.Error(got)
	}
	d.put("Archive", `\Draft`, note)
	if got := dora.folderOf("Archive"); got != "|draft append in-Archive|" {
		t.Errorf("APPEND: %q", got)
	}
	d.put("INBOX", "", note)
	if got := dora.folderOf("INBOX"); got != "|" {
		t.Errorf("another folder: %q", got)
	}
	d.say("SELECT INBOX")
	if got := d.say("COPY 1 Archive"); !strings.Contains(got, "COPYUID") {
		t.Error(got)
	}
	d.say("MOVE 1 Archive")
	if got := dora.folderOf("Archive"); got != "|draft append in-Archive|copy in-Archive|copy in-Archive|" {
		t.Errorf("COPY and MOVE: %q", got)
	}
	d.say("SELECT Archive")
	if got := d.say(`STORE 1 +FLAGS (\Flagged)`); !strings.Contains(got, "changed") {
		t.Errorf("the client doesn't hear of what the script did: %s", got)
	}
	d.say(`STORE 1 +FLAGS (\Flagged)`) // which changes nothing
	d.say(`FETCH 3 BODY[]`)
	if got := dora.folderOf("Archive"); got != "flagged changed|draft append in-Archive|seen copy in-Archive read|copy in-Archive|" {
		t.Errorf("flags: %q", got)
	}
	// The mailbox's own entry counts, also an empty one, then that of all.
	d.say(`SETMETADATA "" (/shared/imapsieve/script "events")`)
	if got := d.say(`GETMETADATA "" /shared/imapsieve/script`); !strings.Contains(got, "events") {
		t.Error(got)
	}
	d.say(`SETMETADATA Archive (/shared/imapsieve/script "")`)
	d.put("Archive", "off", note)
	d.say(`SETMETADATA Archive (/shared/imapsieve/script NIL)`)
	d.put("Archive", "", note)
	d.put("INBOX", "", note)
	if got := dora.folderOf("Archive"); !strings.HasSuffix(got, "|off|append in-Archive|") {
		t.Errorf("which script: %q", got)
	}
	if got := dora.folderOf("INBOX"); got != "append in-INBOX|" {
		t.Errorf("all folders: %q", got)
	}
	d.say(`SETMETADATA Archive (/shared/imapsieve/script "none")`)
	d.put("Archive", "", note)
	if got := dora.folderOf("Archive"); !strings.HasSuffix(got, "|append in-Archive||") {
		t.Errorf("no such script: %q", got)
	}
	if got := d.try(`SETMETADATA "" (/shared/other "x")`); !strings.Contains(got, " NO ") {
		t.Error(got)
	}
	s.Check()
}

// TestActionsOnIMAPEvents: RFC 6785 §3: what scripts do, and that it isn't an event.
func TestActionsOnIMAPEvents(t *testing.T) {
	for script, want := range map[string]struct{ inbox, archive, sent string }{
		`keep;`: {"|", "", ""}, `discard;`: {"deleted|", "", ""}, `discard; keep;`: {"|", "", ""}, `fileinto "Archive";`: {"deleted|", "|", ""}, `fileinto :copy "Archive";`: {"|", "|", ""},
		`fileinto :flags ["\\Seen", "x"] "Archive";`: {"deleted|", "seen x|", ""}, `addheader "X-A" "b"; fileinto "Archive"; keep;`: {"|", "|", ""}, `addheader "X-A" "b";`: {"|", "", ""},
		`redirect "ben@elsewhere.example";`:       {"deleted|", "", "dora@example.test > ben@elsewhere.example: Delivered-To: dora@example.test"},
		`redirect :copy "ben@elsewhere.example";`: {"|", "", "dora@example.test > ben@elsewhere.example"}, `notify :message "look" "mailto:pager@elsewhere.example";`: {"|", "", "Subject: look"},
		`fileinto "None";`: {"||", "", ""}, `reject "no";`: {"||", "", ""}, `if envelope "from" "x" { discard; }`: {"||", "", ""}, `nonsense;`: {"||", "", ""}, // the owner is told
		`fileinto :create "Archive/New"; stop;`: {"deleted|", "", ""},
	} {
		s, dora, d, out := eventsHouse(t, `require ["imapsieve", "imap4flags", "fileinto", "copy", "editheader", "enotify", "mailbox", "ihave", "envelope"]; if ihave "reject" {} `+script)
		d.say(`SETMETADATA "" (/shared/imapsieve/script "events")`)
		d.put("INBOX", "", note)
		if got := dora.folderOf("INBOX"); got != want.inbox {
			t.Errorf("%s: INBOX %q", script, got)
		}
		if got := dora.folderOf("Archive"); got != want.archive {
			t.Errorf("%s: Archive %q", script, got)
		}
		if want.sent != "" {
			contains(t, <-out.got, strings.Split(want.sent, ": ")...)
		}
		if strings.Count(want.inbox, "|") == 2 {
			contains(t, strings.Join(dora.texts(), ""), "Subject: Your mail filter does not work as it should")
		}
		if strings.Contains(script, "X-A") {
			f, _ := dora.s.FolderByRole(mailbox.Inbox)
			if text := dora.texts()[0]; f.ID == 0 || text != note {
				t.Errorf("%s: the message was changed: %q", script, text)
			}
		}
		d.c.Close()
		s.Check()
		must(t, s.Stop())
	}
}

// TestIMAPEventsDontLoop: RFC 6785 §6: two folders whose scripts file into one another, and flags that scripts set.
func TestIMAPEventsDontLoop(t *testing.T) {
	s, dora, d, _ := eventsHouse(t, `require ["imapsieve", "imap4flags", "fileinto", "environment"]; if environment "imap.mailbox" "INBOX" { fileinto "Archive"; } else { fileinto "INBOX"; } addflag "x"; keep;`)
	d.say(`SETMETADATA "" (/shared/imapsieve/script "events")`)
	d.put("INBOX", "", note)
	if in, ar := dora.folderOf("INBOX"), dora.folderOf("Archive"); in != "x|" || ar != "|" {
		t.Errorf("%q, %q", in, ar)
	}
	d.say("SELECT Archive")
	d.say(`STORE 1 +FLAGS (\Seen)`)
	if in, ar := dora.folderOf("INBOX"), dora.folderOf("Archive"); in != "x|seen|" || ar != "seen x|" {
		t.Errorf("%q, %q", in, ar)
	}
	s.Check()
}

// TestIMAPEventsOfOthers: in a shared folder its owner's script runs, in the owner's name, and nobody else chooses which.
func TestIMAPEventsOfOthers(t *testing.T) {
	s, dora, d, _ := eventsHouse(t, `require ["imapsieve", "imap4flags", "environment"]; if environment "imap.email" "carl@example.test" { addflag "by-carl"; } else { addflag "by-me"; }`)
	s.AddAccount("carl")
	d.say(`SETMETADATA Archive (/shared/imapsieve/script "events")`)
	d.say(`SETACL Archive carl@example.test lrswipkxtea`)
	c := newDialog(t, s, "carl")
	shared := `"Other Users/dora@example.test/Archive"`
	if got := c.try(`SETMETADATA ` + shared + ` (/shared/imapsieve/script "other")`); !strings.Contains(got, " NO ") {
		t.Error(got)
	}
	c.put(shared, "", note)
	d.put("Archive", "", note)
	if got := dora.folderOf("Archive"); got != "by-carl|by-me|" {
		t.Errorf("%q", got)
	}
	s.Check()
}

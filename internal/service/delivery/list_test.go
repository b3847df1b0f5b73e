package delivery

import (
	"slices"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
)

// withList adds the list club@example.org of ann here and zoe elsewhere, which bob runs.
func withList(t testing.TB, posters directory.Posters) (*house, *outbox, *seal) {
	h, out, _ := withQueue(t)
	s := &seal{}
	h.sealer = s
	_, err := h.dir.NewGroup(t.Context(), directory.NewGroup{
		Address: "club@example.org", List: true, Description: `The "Club"`, Posters: posters,
		Members: []string{"ann@example.org", "zoe@far.example"}, Owners: []string{"bob@example.org"},
	})
	check(t, err)
	return h, out, s
}

const clubFields = `List-Id: "The \"Club\""` + "\r\n\t<club.example.org>\r\n" +
	"List-Post: <mailto:club@example.org>\r\n" +
	"List-Help: <mailto:club+owner@example.org?subject=help>\r\n" +
	"List-Unsubscribe: <mailto:club+owner@example.org?subject=unsubscribe>\r\n" +
	"List-Owner: <mailto:club+owner@example.org>\r\n" +
	"Precedence: list\r\n"

// TestList: members here and elsewhere get the same, from the list; nothing of the message is touched.
func TestList(t *testing.T) {
	h, out, s := withList(t, directory.Anyone)
	to := h.find(t, Sender{From: "carol@far.example"}, "club@example.org", "ann@example.org")
	to[0].Notify = transfer.NotifySuccess
	v := &Verdict{Sender: true, Field: "Authentication-Results: here\r\n"}
	var told []trace.Event
	h.event = func(e trace.Event) {
		e.To = slices.Clone(e.To)
		told = append(told, e)
	}
	h.deliver(t, Envelope{ID: "q1", From: "carol@far.example", Verdict: v, EnvelopeID: "e7", Return: transfer.ReturnFull, Priority: 4,
		Deadline: h.now().Add(time.Hour), NotifyLate: true, ByTrace: true}, letter, to...)
	// Whoever is a member and written to as well gets both, as from any list.
	h.expect(t, "ann", "Return-Path: <club+bounces@example.org>\r\nAuthentication-Results: here\r\n"+clubFields+letter,
		"Return-Path: <carol@far.example>\r\nAuthentication-Results: here\r\n"+letter)
	if len(out.got) != 1 {
		t.Fatalf("%+v", out.got)
	}
	got := out.got[0]
	if got.From != "club+bounces@example.org" || got.EnvelopeID != "" || got.Return != transfer.ReturnHeaders || got.Priority != -1 || !got.Deadline.IsZero() || got.NotifyLate || got.ByTrace ||
		len(got.Recipients) != 1 || got.Recipients[0] != (transfer.Recipient{Address: "zoe@far.example"}) {
		t.Errorf("%+v", got)
	}
	if out.texts[0] != "Seal: example.org\r\n"+clubFields+letter {
		t.Errorf("%s", out.texts[0])
	}
	if len(s.asked) != 1 || !s.asked[0].List || s.asked[0].Via != "example.org" {
		t.Errorf("%+v", s.asked)
	}
	// RFC 3461 §5.2.7.3: the list has it
	if len(out.delivered) != 1 || out.delivered[0].Recipients[0].Address != "club@example.org" || out.delivered[0].EnvelopeID != "e7" {
		t.Errorf("%+v", out.delivered)
	}
	if told[1].Kind != trace.Listed || told[1].Parent != "q1" || told[1].Account != "club@example.org" {
		t.Errorf("%+v", told)
	}
	if got := h.Stats(); got.Copies != 2 || got.Queued != 1 {
		t.Errorf("%+v", got)
	}
}

// TestListTwice: who writes to it by two names writes to it once.
func TestListTwice(t *testing.T) {
	h, out, _ := withList(t, directory.Anyone)
	check(t, h.dir.AddAlias(t.Context(), "verein@example.org", []string{"club@example.org"}))
	h.deliver(t, Envelope{ID: "q1", From: "carol@far.example"}, letter, h.find(t, Sender{From: "carol@far.example"}, "club@example.org", "verein@example.org")...)
	if len(out.got) != 1 || len(h.inbox(t, "ann")) != 1 {
		t.Errorf("%+v", out.got)
	}
}

// TestWhoMayWriteToAList: at RCPT by the reverse-path, and after the message by whether that can be believed.
func TestWhoMayWriteToAList(t *testing.T) {
	for _, c := range []struct {
		what    string
		posters directory.Posters
		from    string
		e       Envelope
		rcpt    string // status
		data    string
	}{
		{"a stranger", directory.Anyone, "carol@far.example", Envelope{}, "", ""},
		{"a stranger, not proved", directory.Anyone, "carol@far.example", Envelope{Verdict: &Verdict{}}, "", ""},
		{"one in doubt", directory.Anyone, "carol@far.example", Envelope{Verdict: &Verdict{Junk: true}}, "", "5.7.1"},
		{"one whom a scanner holds for junk", directory.Anyone, "carol@far.example", Envelope{Verdict: &Verdict{ScanJunk: true}}, "", "5.7.1"},
		{"likewise, but an administrator lets it in", directory.Anyone, "carol@far.example", Envelope{Verdict: &Verdict{ScanJunk: true, Decided: true}}, "", ""},
		{"nobody", directory.Anyone, "", Envelope{}, "5.7.2", ""},
		{"a stranger at members", directory.MembersOnly, "carol@far.example", Envelope{}, "5.7.2", ""},
		{"a member elsewhere, proved", directory.MembersOnly, "zoe@far.example", Envelope{Verdict: &Verdict{Sender: true}}, "", ""},
		{"a member elsewhere, not proved", directory.MembersOnly, "zoe@far.example", Envelope{Verdict: &Verdict{}}, "", "5.7.2"},
		{"a member here", directory.MembersOnly, "ann@example.org", Envelope{Who: &ident.Identity{Account: 1}}, "", ""},
		{"an owner", directory.OwnersOnly, "bob@example.org", Envelope{Who: &ident.Identity{Account: 2}}, "", ""},
		{"a member at owners", directory.OwnersOnly, "ann@example.org", Envelope{Who: &ident.Identity{Account: 1}}, "5.7.2", ""},
	} {
		h, out, _ := withList(t, c.posters)
		c.e.ID, c.e.From = "q1", c.from
		r, err := h.Recipient(t.Context(), Sender{Who: c.e.Who, From: c.from}, "club@example.org")
		if status(err) != c.rcpt {
			t.Errorf("%s: at RCPT %v", c.what, err)
		}
		if err != nil {
			continue
		}
		errs := h.Deliver(t.Context(), c.e, []Recipient{r}, h.message(t, letter))
		if status(errs[0]) != c.data || (len(out.got) == 1) != (c.data == "") || (len(h.inbox(t, "ann")) == 1) != (c.data == "") {
			t.Errorf("%s: %v, %+v", c.what, errs[0], out.got)
		}
	}
}

func status(err error) string {
	if err == nil {
		return ""
	}
	return statusOf(err)
}

// TestListLoop: what has been through the list doesn't go through it again.
func TestListLoop(t *testing.T) {
	for _, field := range []string{"List-Id: <club.example.org>", "list-id: The Club\r\n <CLUB.example.org>", "List-Id: <other.example>\r\nList-Id: x <club.example.org> "} {
		h, out, _ := withList(t, directory.Anyone)
		to := h.find(t, Sender{From: "zoe@far.example"}, "club@example.org")
		errs := h.Deliver(t.Context(), Envelope{ID: "q1", From: "zoe@far.example"}, to, h.message(t, field+"\r\n"+letter))
		if status(errs[0]) != "5.4.6" || len(out.got) > 0 {
			t.Errorf("%s: %v", field, errs[0])
		}
	}
	h, _, _ := withList(t, directory.Anyone)
	h.deliver(t, Envelope{ID: "q1", From: "zoe@far.example"}, "List-Id: <other.example>\r\n"+letter, h.find(t, Sender{From: "zoe@far.example"}, "club@example.org")...)
}

// TestListBounces: notifications about members go to those who run the list.
func TestListBounces(t *testing.T) {
	h, out, _ := withList(t, directory.MembersOnly)
	for _, address := range []string{"club+bounces@example.org", "club+owner@example.org"} {
		h.deliver(t, Envelope{ID: "q1"}, letter, h.find(t, Sender{}, address)...)
	}
	h.expect(t, "bob", stored(letter), stored(letter))
	h.expect(t, "ann")
	if len(out.got) > 0 {
		t.Errorf("%+v", out.got)
	}
}

// TestAliasOfSeveralLists: those that take the message get it.
func TestAliasOfSeveralLists(t *testing.T) {
	h, out, _ := withList(t, directory.MembersOnly)
	_, err := h.dir.NewGroup(t.Context(), directory.NewGroup{Address: "open@example.org", List: true, Members: []string{"bob@example.org"}})
	check(t, err)
	check(t, h.dir.AddAlias(t.Context(), "two@example.org", []string{"club@example.org", "open@example.org"}))
	h.deliver(t, Envelope{ID: "q1", From: "carol@far.example"}, letter, h.find(t, Sender{From: "carol@far.example"}, "two@example.org")...)
	if len(h.inbox(t, "bob")) != 1 || len(h.inbox(t, "ann")) != 0 || len(out.got) != 0 {
		t.Errorf("%+v", out.got)
	}
}

// TestListNeedsAWayOut: a list with members elsewhere is refused where mail can't leave.
func TestListNeedsAWayOut(t *testing.T) {
	h, _, _ := withList(t, directory.Anyone)
	h.queue = nil
	_, err := h.Recipient(t.Context(), Sender{From: "x@y.example"}, "club@example.org")
	fails(t, err, fault.Unsupported)
}

// TestListFields: RFC 2919, RFC 2369, whatever the list is called.
func TestListFields(t *testing.T) {
	g := directory.Group{ID: 7, Address: `"a b"@example.org`, Description: "Zoës\r\nBcc: x@y.example\r\n\r\nVerein", Posters: directory.OwnersOnly}
	got := string(listFields(&g))
	h := message.ParseHeader(got)
	if len(h.Fields) != 6 || h.Has("Bcc") {
		t.Errorf("%s", got)
	}
	for name, want := range map[string]string{"List-Post": "NO", "List-Owner": "<mailto:%22a%20b+owner%22@example.org>"} {
		if v := strings.TrimSpace(h.Get(name)); v != want {
			t.Errorf("%s: %s, want %s", name, v, want)
		}
	}
	if id := h.Get("List-Id"); !strings.HasSuffix(strings.TrimSpace(id), "<g7.example.org>") || !strings.Contains(id, "=?utf-8?") {
		t.Errorf("List-Id: %q", id)
	}
}

// FuzzFields: whatever addresses and lists are called, what we write are the fields that we mean, in lines that may be.
func FuzzFields(f *testing.F) {
	f.Add("ann@example.org", "club@example.org", `The "Club"`)
	f.Add("a\r\nBcc: x@y", "\"a\\\"b\"@example.org", "x\r\n\r\nbody")
	f.Add("\u2028", "é@example.org", strings.Repeat("é\\\"", 200))
	f.Fuzz(func(t *testing.T, address, list, description string) {
		if len(address) > 512 || len(list) > 320 || len(description) > 2000 {
			return
		}
		if a, err := directory.Parse(list); err != nil {
			return // the directory has none such
		} else {
			list = a.String()
		}
		raw := string(appendReturnPath(nil, address)) + string(deliveredTo(address)) +
			string(listFields(&directory.Group{ID: 7, Address: list, Description: description}))
		var names []string
		h := message.ParseHeader(raw)
		for _, field := range h.Fields {
			names = append(names, h.Name(field))
		}
		if got := strings.Join(names, " "); got != "Return-Path Delivered-To List-Id List-Post List-Help List-Unsubscribe List-Owner Precedence" {
			t.Fatalf("%q", raw)
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(raw, "\r\n"), "\r\n") {
			if strings.ContainsAny(line, "\r\n\x00") || len(line) > 998 || strings.TrimSpace(line) == "" {
				t.Fatalf("%q has the line %q", raw, line)
			}
		}
	})
}

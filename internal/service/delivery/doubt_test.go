package delivery

import (
	"strings"
	"testing"

	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
)

// TestForgedInOurName: our reverse-path would make a forged author of ours look real to the next host.
func TestForgedInOurName(t *testing.T) {
	for _, c := range []struct {
		what   string
		v      *Verdict
		status string
	}{
		{"ours", &Verdict{Junk: true, Doubted: true, Unproved: "example.org", Sender: true}, "5.7.1"},
		{"below ours", &Verdict{Junk: true, Doubted: true, Unproved: "shop.example.org"}, "5.7.1"},
		{"above ours", &Verdict{Junk: true, Doubted: true, Unproved: "org"}, "5.7.1"},
		{"another's, whose policy the next host knows", &Verdict{Junk: true, Doubted: true, Unproved: "far.example"}, ""},
		{"ours, but nobody minds", &Verdict{Unproved: "example.org"}, ""},
		{"ours, let in by a policy", &Verdict{Doubted: true, Decided: true, Unproved: "example.org", Sender: true}, "5.7.1"},
		{"held for junk by a policy here alone", &Verdict{Junk: true, Decided: true, Unproved: "example.org"}, ""},
		{"proved", &Verdict{}, ""},
		{"not looked into", nil, ""},
	} {
		h, out, _ := withQueue(t)
		check(t, h.dir.AddAlias(t.Context(), "away@example.org", []string{"x@far.example"}))
		to := h.find(t, Sender{From: "carol@far.example"}, "away@example.org", "ann@example.org")
		errs := h.Deliver(t.Context(), Envelope{ID: "q1", From: "carol@far.example", Verdict: c.v}, to, h.message(t, letter))
		check(t, errs[1])
		if status(errs[0]) != c.status || (len(out.got) == 1) != (c.status == "") {
			t.Errorf("%s: %v, %+v", c.what, errs[0], out.got)
		}
	}
}

// TestForgedThroughFilter: nor does anybody's filter.
func TestForgedThroughFilter(t *testing.T) {
	for _, c := range []struct {
		v    Verdict
		sent int
	}{
		{Verdict{Junk: true, Doubted: true, Unproved: "example.org", Sender: true}, 0},
		{Verdict{Doubted: true, Decided: true, Unproved: "example.org", Sender: true}, 0},
		{Verdict{Junk: true, Doubted: true, Unproved: "far.example", Sender: true}, 1},
		{Verdict{Unproved: "example.org"}, 1},
	} {
		h, out := withRules(t, `redirect "dora@there.example"; redirect "eve@there.example";`)
		e := Envelope{ID: "q1", From: "carol@far.example", Verdict: &c.v}
		h.deliver(t, e, letter, h.find(t, Sender{From: e.From}, "bob@example.org")...)
		if got := h.shelf(t, "bob"); len(out.got) != 2*c.sent || (got == "") != (c.sent > 0) {
			t.Errorf("%+v: %q, %d sent", c.v, got, len(out.got))
		}
	}
}

// TestForgedToList: nor does a list, whoever a policy lets in.
func TestForgedToList(t *testing.T) {
	for _, c := range []struct {
		v      Verdict
		status string
	}{
		{Verdict{Doubted: true, Decided: true, Unproved: "example.org", Sender: true}, "5.7.1"},
		{Verdict{Doubted: true, Decided: true, Unproved: "far.example", Sender: true}, ""},
		{Verdict{Unproved: "example.org", Sender: true}, ""},
	} {
		h, out, _ := withList(t, directory.Anyone)
		to := h.find(t, Sender{From: "carol@far.example"}, "club@example.org")
		errs := h.Deliver(t.Context(), Envelope{ID: "q1", From: "carol@far.example", Verdict: &c.v}, to, h.message(t, letter))
		if status(errs[0]) != c.status || (len(out.got) == 1) != (c.status == "") {
			t.Errorf("%+v: %v, %+v", c, errs[0], out.got)
		}
	}
}

// TestBorrowedName: a list makes nobody of another domain here look like one of its own.
func TestBorrowedName(t *testing.T) {
	for _, c := range []struct{ login, from, author, status string }{
		{"ann@example.net", "ann@example.net", "boss@example.org", "5.7.1"},
		{"ann@example.net", "ann@example.net", "Ann <x@far.example>, boss@EXAMPLE.org", "5.7.1"},
		{"ann@example.net", "ann@example.net", "boss@shop.example.org", "5.7.1"},
		{"ann@example.net", "ann@example.net", "ann@example.net", ""},
		{"ann@example.net", "ann@example.net", "ann@example.org", ""}, // her own
		{"ann@example.org", "ann@example.org", "boss@example.org", ""},
	} {
		h, out, _ := withList(t, directory.Anyone)
		e := Envelope{ID: "q1", From: c.from, Who: &ident.Identity{Account: h.ids["ann"], Login: c.login}}
		to := h.find(t, Sender{Who: e.Who, From: c.from}, "club@example.org")
		errs := h.Deliver(t.Context(), e, to, h.message(t, strings.Replace("From: ?\r\n"+letter, "?", c.author, 1)))
		if status(errs[0]) != c.status || (len(out.got) == 1) != (c.status == "") {
			t.Errorf("%+v: %v, %+v", c, errs[0], out.got)
		}
	}
}

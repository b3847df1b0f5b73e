package inbound

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

// book is Names: example.org and bücher.example are here, and ann has the addresses in it.
type book map[string]bool

func (book) IsLocal(_ context.Context, domain string) (bool, error) {
	return domain == "example.org" || domain == "other.example" || domain == "xn--bcher-kva.example", nil
}

func (b book) MaySend(_ context.Context, _ ident.AccountID, address string) (bool, error) {
	return b[strings.ToLower(address)] || strings.HasPrefix(address, "ann+"), nil
}

func (b book) MaySendIn(_ context.Context, _ ident.AccountID, domain string) (bool, error) {
	return domain == "example.org" || domain == "xn--bcher-kva.example", nil
}

var anns = book{"ann@example.org": true, "sales@example.org": true, "ann+x@example.org": true, "ann@xn--bcher-kva.example": true, `"a b"@example.org`: true}

// judged hands a message in, in pieces of n bytes.
func judged(t testing.TB, a *Accounts, header string, n int) error {
	t.Helper()
	s := a.Begin(ann)
	if err := s.Mail(t.Context(), "ann@example.org"); err != nil {
		t.Fatal(err)
	}
	c := s.Message("ann@example.org")
	if c == nil {
		return nil
	}
	text := strings.ReplaceAll(header, "\n", "\r\n") + "\r\nFrom: bob@example.org\r\n\r\nbody\r\n"
	for len(text) > 0 {
		piece := text[:min(n, len(text))]
		c.Write([]byte(piece)) //nolint:errcheck // it never fails
		text = text[len(piece):]
	}
	_, err := c.Verdict(t.Context())
	return err
}

// TestAuthors: who may be named as author, by each of the rules. The columns: local, domain, own.
func TestAuthors(t *testing.T) {
	var all []string
	for n := range maxAuthors {
		all = append(all, fmt.Sprintf("ann+%d@example.org", n))
	}
	checks := map[Authors]*Accounts{}
	for _, rule := range []Authors{AuthorsLocal, AuthorsDomain, AuthorsOwn} {
		w := newWorld(t, Options{})
		checks[rule] = NewAccounts(AccountOptions{DB: w.db, Now: w.now, Limits: AccountLimits{-1, -1, -1, -1, -1, -1, -1}, Authors: rule, Names: anns})
	}
	many := strings.Join(all, ", ")
	for header, allowed := range map[string]string{
		"From: ann@example.org\n":                                                        "yyy",
		"from:ANN@Example.ORG\n":                                                         "yyy",
		"From : Ann <sales@example.org>\n":                                               "yyy", // RFC 5322 §4.5
		"From: ann+x@example.org\n":                                                      "yyy",
		"From: \"a b\"@example.org\n":                                                    "yyy",
		"From: ann@bücher.example\n":                                                     "yyy",
		"From: ann@xn--bcher-kva.example.\n":                                             "yyy",
		"From: ann@example.org <ann@example.org>\n":                                      "yyy",
		"From: \"bob@example.org\" <ann@example.org>\n":                                  "yyy", // a name; what is quoted is no address
		"From: ann@example.org (not bob@example.org)\n":                                  "yyy",
		"From: bob@example.org\n":                                                        "nyn",
		"From:\n bob@example.org\n":                                                      "nyn",
		"From: nobody@example.org\n":                                                     "nyn",
		"From: bob@BÜCHER.example\n":                                                     "nyn",
		"From: boss@other.example\n":                                                     "nnn",
		"From: boss@other.example.\n":                                                    "nnn",
		"From: who@elsewhere.example\n":                                                  "ynn",
		"From: root@web1.example.org\n":                                                  "ynn", // a machine's cron
		"From: Ann via L <ann@example.org>, x@elsewhere.example\n":                       "ynn",
		"From: x@elsewhere.example, boss@other.example\n":                                "nnn",
		"From: ann@example.org\nFrom: boss@other.example\n":                              "nnn",
		"From: ann@example.org\nSubject: x\nFROM: bob@example.org\n":                     "nyn",
		"From: ann@example.org\nSender: bob@example.org\n":                               "nyn",
		"From: ann@example.org\nSender: boss@other.example\n":                            "nnn",
		"From: x@elsewhere.example\nSender: ann@example.org\n":                           "ynn",
		"From: Staff: boss@other.example, ann@example.org;\n":                            "nnn", // RFC 6854
		"From: undisclosed:;\n":                                                          "ynn",
		"From: <boss@other.example> <ann@example.org>\n":                                 "nnn",
		"From: <ann@example.org> <boss@other.example>\n":                                 "nnn",
		"From: boss@other.example <ann@example.org>\n":                                   "nnn",
		"From: <@elsewhere.example:boss@other.example>\n":                                "nnn",
		"From: =?utf-8?q?boss=40other.example?=\n":                                       "nnn",
		"From: =?utf-8?b?Ym9zc0BvdGhlci5leGFtcGxl?=\n":                                   "nnn",
		"From: =?utf-8?q?Bo=C3=9F?= <ann@example.org>\n":                                 "yyy",
		"From: \"unclosed boss@other.example\n":                                          "nnn",
		"From: (unclosed boss@other.example\n":                                           "nnn",
		"From: root\n":                                                                   "ynn",
		"From:\n":                                                                        "ynn",
		"Subject: nobody\n":                                                              "ynn",
		"":                                                                               "ynn",
		"Sender: bob@example.org\n":                                                      "nnn",
		"From: x@[192.0.2.1]\n":                                                          "ynn",
		"From: " + strings.Repeat("x", 300) + "@other.example\n":                         "nnn",
		"From: b\xffb@other.example\n":                                                   "nnn",
		"From: ann@example.org, " + strings.Repeat(":", 50_000) + "boss@other.example\n": "nnn",
		"From: 'boss@other.example'\n":                                                   "nnn", // what readers leave out around an address
		"From: [boss@other.example]\n":                                                   "nnn",
		"From: boss@other.example\x00.elsewhere.example\n":                               "nnn",
		"From: boss@other.example\u200b\n":                                               "nnn",
		"From: \"boss@other.example\" <>\n":                                              "nnn",
		"From: who@else_where.example\n":                                                 "ynn",
		"From: " + strings.Repeat("a,", 250_000) + "a\n":                                 "nnn",
		"From: " + strings.Repeat("a,", 19_990) + "a\n":                                  "ynn",
		"From: " + strings.Repeat("(", 400_000) + "boss@other.example\n":                 "nnn",
		"From: " + strings.Repeat("\"", 400_001) + "boss@other.example\n":                "nnn",
		"From: " + many + "\n":                                                           "yyy",
		strings.Repeat("X: y\n", 20_000) + "From: boss@other.example\n":                  "nnn", // however far down
		"From: ann@example.org\n" + strings.Repeat("X: y\n", 20_000) + "From: boss@other.example\n": "nnn",
		"From: boss@other.example\u00a0\n":                                     "nnn", // which readers may take for white space
		"From: boss@other.example\v\n":                                         "nnn",
		"From: boss@other.example\u2028\n":                                     "nnn",
		"From: boss@\u200bother.example\n":                                     "nnn",
		"From: boss@other。example\n":                                           "nnn",
		"From: boss@other.example]\n":                                          "nnn",
		"From: boss@other.exam(c)ple\n":                                        "nnn",
		"From: boss @ other.example\n":                                         "nnn",
		"From: boss (c)@(d) other.example\n":                                   "nnn",
		"From: boss@ other.example\n":                                          "nnn",
		"From: boss@other . example\n":                                         "nnn",
		"From: boss@other\n .example\n":                                        "nnn",
		"From: boss@[other.example]\n":                                         "nnn",
		"From: boss@ot\\her.example\n":                                         "nnn",
		"junk\nFrom: boss@other.example\n":                                     "nnn",
		" junk\nFrom: boss@other.example\n":                                    "nnn",
		"From\t: boss@other.example\n":                                         "nnn",
		"From: x@elsewhere.example;boss@other.example\n":                       "nnn",
		"From: x@elsewhere.example\\,boss@other.example\n":                     "nnn",
		"From: =?utf-8?q?x?=boss@other.example\n":                              "nnn",
		"From: =?utf-8?q?boss?=@=?utf-8?q?other.example?=\n":                   "nnn",
		"From: =?utf-8?q?=3Cboss=40other.example=3E?= <x@elsewhere.example>\n": "ynn",
		"From: " + many + ", ann@example.org\n":                                "nnn",
		"From: " + many + strings.Repeat(", ann@example.org", 1e5):             "nnn",
	} {
		for i, rule := range []Authors{AuthorsLocal, AuthorsDomain, AuthorsOwn} {
			for _, n := range []int{1, 7, 1 << 30} {
				if n == 1 && len(header) > 2000 {
					continue
				}
				err := judged(t, checks[rule], header, n)
				refusal := RefusalOf(err)
				if (err == nil) != (allowed[i] == 'y') || err != nil && (refusal == nil || refusal.Code != 550 || refusal.Status != "5.7.1") {
					t.Errorf("%v, %.80q by %d: %v", rule, header, n, err)
				}
			}
		}
	}
}

// TestAuthorsOfAccounts: an account's own rule counts from its next message on, goes with the account, and what is refused is counted.
func TestAuthorsOfAccounts(t *testing.T) {
	w := newWorld(t, Options{})
	a := NewAccounts(AccountOptions{DB: w.db, Now: w.now, Names: anns})
	bob := "From: bob@example.org\n"
	check := func(want Authors, refused bool) {
		t.Helper()
		if _, holds, err := a.Authors(t.Context(), ann.Account); err != nil || holds != want {
			t.Errorf("%v %v, want %v", holds, err, want)
		}
		if err := judged(t, a, bob, 100); (err != nil) != refused {
			t.Errorf("%v: %v", want, err)
		}
	}
	check(AuthorsLocal, true)
	for _, c := range []struct {
		rule    Authors
		refused bool
	}{{AuthorsAny, false}, {AuthorsOwn, true}, {AuthorsDomain, false}} {
		if err := a.SetAuthors(t.Context(), ann.Account, c.rule); err != nil {
			t.Fatal(err)
		}
		check(c.rule, c.refused)
	}
	if err := a.Reset(t.Context(), ann.Account); err != nil {
		t.Fatal(err)
	}
	check(AuthorsDomain, false)
	if err := a.Forget(t.Context(), ann.Account); err != nil {
		t.Fatal(err)
	}
	check(AuthorsLocal, true)
	if n := a.Stats().Refused[Author]; n != 3 {
		t.Errorf("%d refused", n)
	}
	for word, ok := range map[string]bool{"": true, "any": true, "own": true, "Own": false, "all": false} {
		if _, err := AuthorsNamed(word); (err == nil) != ok || !ok && !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", word, err)
		}
	}
}

// FuzzAuthors: no field makes the check panic, and where only own addresses are allowed no other one that a reader finds passes.
func FuzzAuthors(f *testing.F) {
	f.Add("ann@example.org")
	f.Add(`"x" (y (z)) <boss@other.example>, g: ann@example.org;`)
	f.Add("=?utf-8?q?boss=40other.example?=")
	w := newWorld(f, Options{})
	a := NewAccounts(AccountOptions{DB: w.db, Now: w.now, Limits: AccountLimits{-1, -1, -1, -1, -1, -1, -1}, Authors: AuthorsOwn, Names: anns})
	f.Fuzz(func(t *testing.T, value string) {
		if strings.ContainsAny(value, "\r\n") {
			return
		}
		if err := judged(t, a, "From: "+value+"\n", 100); err != nil && RefusalOf(err) == nil {
			t.Fatal(err)
		} else if err == nil && !strings.Contains(strings.ToLower(value), "example.org") && !strings.Contains(value, "cher") && !strings.Contains(value, "=?") {
			t.Fatalf("%q passes", value)
		}
	})
}

func BenchmarkAuthors(b *testing.B) {
	w := newWorld(b, Options{})
	a := NewAccounts(AccountOptions{DB: w.db, Now: w.now, Names: anns})
	s := a.Begin(ann)
	text := []byte(strings.Repeat("Received: from somewhere by somewhere else; at some time or other\r\n", 10) + "From: Ann <ann@example.org>\r\nSubject: x\r\n\r\n" + strings.Repeat("body ", 300))
	b.ReportAllocs()
	for b.Loop() {
		c := s.Message("ann@example.org")
		fmt.Fprintf(c, "%s", text[:1000])
		c.Write(text[1000:])
		if _, err := c.Verdict(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

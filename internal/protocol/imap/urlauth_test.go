package imap

import (
	"context"
	"strings"
	"sync"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// generated has a client authorise a URL.
func generated(t testing.TB, c *client, rump string) string {
	t.Helper()
	lines := c.ok(`GENURLAUTH "` + rump + `" INTERNAL`)
	url, ok := strings.CutPrefix(lines[0], `* GENURLAUTH "`)
	if !ok {
		t.Fatalf("%q", lines)
	}
	return strings.TrimSuffix(url, `"`)
}

// TestOpenURL is what a submission server may have: RFC 4468 §3.3.
func TestOpenURL(t *testing.T) {
	w := newWorld(t)
	ann := w.open("ann")
	inbox, _ := ann.FolderByRole(mailbox.Inbox)
	w.deliver(ann, inbox.ID, testMessage(1), 0)
	c := w.user("ann")
	const annAt, here = "imap://ann%40demo.test@mail.demo.test", "imap://mail.demo.test"
	sign := func(rump string) string { return generated(t, c, annAt+rump) }
	who := func(name string) ident.Identity {
		name, limited := strings.CutSuffix(name, ", to send")
		return ident.Identity{Account: w.accounts[name], Login: name + "@demo.test", ReadsMail: !limited}
	}
	forAnn := sign("/INBOX/;UID=1;URLAUTH=submit+ann%40demo.test")
	forBob := sign("/INBOX/;UID=1;URLAUTH=submit+bob%40DEMO.test")
	for _, x := range []struct {
		by, url string
		want    fault.Kind // 0: it opens
	}{
		{"ann", forAnn, 0},
		{"bob", forAnn, fault.Denied},
		{"bob", forBob, 0},
		{"ann", forBob, fault.Denied},
		{"ann", sign("/INBOX/;UID=1;URLAUTH=user+ann%40demo.test"), 0},
		{"bob", sign("/INBOX/;UID=1;URLAUTH=user+ann%40demo.test"), fault.Denied},
		{"bob", sign("/INBOX/;UID=1;URLAUTH=anonymous"), 0},
		{"bob", sign("/INBOX/;UID=7;URLAUTH=anonymous"), fault.NotFound},
		{"ann", strings.Replace(forAnn, "mail.demo.test", "mail.elsewhere.test", 1), fault.Unsupported},
		{"ann", annAt + "/INBOX/;UID=1;URLAUTH=submit+ann%40demo.test", fault.Invalid},
		{"ann", annAt + "/INBOX/;UID=1", 0},
		{"ann", here + "/INBOX/;UID=1/;SECTION=TEXT", 0},
		{"ann, to send", here + "/INBOX/;UID=1/;SECTION=TEXT", fault.Denied}, // an app password for SMTP alone
		{"ann, to send", forAnn, 0},
		{"ann", here + ":143/INBOX;UIDVALIDITY=1772366400/;UID=1", 0},
		{"ann", here + "/INBOX;UIDVALIDITY=7/;UID=1", fault.NotFound},
		{"ann", here + "/nowhere/;UID=1", fault.NotFound},
		{"ann", "imap://ann@demo.test/INBOX/;UID=1", 0}, // as many write it
		{"ann", "imap://ann@demo.test@mail.demo.test/INBOX/;UID=1", 0},
		{"ann", "imap://demo.test/INBOX/;UID=1", 0},
		{"ann", "imap://bob@demo.test/INBOX/;UID=1", fault.Denied},
		{"ann", "imap://ann@mail.demo.test/INBOX/;UID=1", fault.Denied},
		{"ann", generated(t, c, "imap://ann@demo.test/INBOX/;UID=1;URLAUTH=user+ann@demo.test"), 0},
		{"bob", here + "/INBOX/;UID=1", fault.NotFound},
		{"bob", annAt + "/INBOX/;UID=1", fault.Denied},
		{"ann", "imap://mail.elsewhere.test/INBOX/;UID=1", fault.Unsupported},
		{"ann", "https://mail.demo.test/INBOX/;UID=1", fault.Invalid},
		{"ann", here + "/INBOX", fault.Invalid},
		{"ann", "/INBOX/;UID=1", fault.Invalid},
	} {
		data, err := w.server.OpenURL(context.Background(), who(x.by), x.url)
		if x.want != 0 {
			if fault.KindOf(err) != x.want {
				t.Errorf("%s, %s: %v", x.by, x.url, err)
			}
			continue
		}
		var b strings.Builder
		if err != nil {
			t.Errorf("%s, %s: %v", x.by, x.url, err)
		} else if err := data.CopyTo(&b); err != nil || int64(b.Len()) != data.Size() || !strings.HasSuffix(testMessage(1), b.String()) {
			t.Errorf("%s, %s: %q %v", x.by, x.url, b.String(), err)
		}
	}
}

// TestURLOfDisabledAccount: what an account lets others read ends with it.
func TestURLOfDisabledAccount(t *testing.T) {
	w := newWorld(t)
	ann := w.open("ann")
	inbox, _ := ann.FolderByRole(mailbox.Inbox)
	w.deliver(ann, inbox.ID, testMessage(1), 0)
	url := generated(t, w.user("ann"), "imap://ann%40demo.test@mail.demo.test/INBOX/;UID=1;URLAUTH=authuser")
	bob := w.user("bob")
	if l := bob.ok(`URLFETCH "` + url + `"`); strings.HasSuffix(l[0], "NIL") {
		t.Fatalf("%q", l)
	}
	must(t, w.dir.SetEnabled(context.Background(), w.accounts["ann"], false))
	if l := bob.ok(`URLFETCH "` + url + `"`); !strings.HasSuffix(l[0], "NIL") {
		t.Errorf("%q", l)
	}
}

// TestFirstURLsAtOnce: sessions that authorise the first URLs of a mailbox at the same time get one key.
func TestFirstURLsAtOnce(t *testing.T) {
	w := newWorld(t)
	ann := w.open("ann")
	inbox, _ := ann.FolderByRole(mailbox.Inbox)
	w.deliver(ann, inbox.ID, testMessage(1), 0)
	const rump = "imap://ann%40demo.test@mail.demo.test/INBOX/;UID=1;URLAUTH=authuser"
	var all sync.WaitGroup
	urls := make([]string, 8)
	for i := range urls {
		c := w.user("ann")
		all.Go(func() {
			if lines, _ := c.do(`GENURLAUTH "` + rump + `" INTERNAL`); len(lines) == 1 {
				urls[i] = lines[0]
			}
		})
	}
	all.Wait()
	for _, u := range urls {
		if u == "" || u != urls[0] {
			t.Fatalf("%q", urls)
		}
	}
}

// TestTooManyURLs: one command names 1,000 at most.
func TestTooManyURLs(t *testing.T) {
	c := newWorld(t).user("ann")
	urls := func(n int) string { return strings.Repeat(" a", n) }
	if lines := c.ok("URLFETCH" + urls(maxURLs)); len(lines) != maxURLs {
		t.Errorf("%d answers", len(lines))
	}
	for _, n := range []int{maxURLs + 1, 20 * maxURLs} {
		if _, r := c.do("URLFETCH" + urls(n)); !strings.HasPrefix(r, "NO [LIMIT]") {
			t.Errorf("%d: %s", n, r)
		}
	}
}

// TestURLKeysAreForgotten: keys of mailboxes that are gone take no room.
func TestURLKeysAreForgotten(t *testing.T) {
	w := newWorld(t)
	c := w.user("ann")
	for range 3 {
		c.ok("CREATE A")
		generated(t, c, "imap://ann%40demo.test@mail.demo.test/A/;UID=1;URLAUTH=authuser")
		c.ok("DELETE A")
	}
	generated(t, c, "imap://ann%40demo.test@mail.demo.test/INBOX/;UID=1;URLAUTH=authuser")
	props, err := w.open("ann").Props(context.Background())
	must(t, err)
	n := 0
	for name := range props {
		if strings.HasPrefix(name, urlKeyPrefix) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d keys", n)
	}
}

// FuzzAbsoluteURL: what an authorised URL's token is made of is always its beginning, up to a colon.
func FuzzAbsoluteURL(f *testing.F) {
	f.Add("imap://a;AUTH=*@b:143/c;UIDVALIDITY=1/;UID=2/;SECTION=1.HEADER/;PARTIAL=1.2;EXPIRE=2026-03-01T12:00:00Z;URLAUTH=submit+d:internal:0123456789abcdef0123456789abcdef")
	f.Add("imap://b/c/;UID=2;URLAUTH=anonymous")
	f.Fuzz(func(t *testing.T, s string) {
		u, ok := parseAbsoluteURL(s)
		if !ok || !u.authorised {
			return
		}
		rest, ok := strings.CutPrefix(s, u.rump)
		if !ok || rest != "" && rest != ":"+u.mechanism+":"+u.token || (rest == "") != (u.token == "") {
			t.Errorf("%q: %q", s, u.rump)
		}
	})
}

// TestResetsThatAreLongAgo: a session that hasn't looked for long is told rather than not.
func TestResetsThatAreLongAgo(t *testing.T) {
	var r urlResets
	mine := urlReset{1, 2, 3}
	for _, x := range []urlReset{{1, 2, 4}, {1, 3, 3}, {2, 2, 3}, {user: 2}} {
		r.add(x)
	}
	if yes, now := r.touched(0, mine); yes || now != 4 {
		t.Error(yes, now)
	}
	for i, x := range []urlReset{mine, {user: 1}} {
		r.add(x)
		if yes, now := r.touched(uint64(4+i), mine); !yes || now != uint64(5+i) {
			t.Error(x, yes, now)
		}
	}
	for range keptResets {
		r.add(urlReset{user: 9})
	}
	if yes, _ := r.touched(6, mine); yes {
		t.Error("none of the last was about it")
	}
	if yes, _ := r.touched(5, mine); !yes {
		t.Error("it can't be known")
	}
}

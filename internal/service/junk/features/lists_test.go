package features

import (
	"slices"
	"strings"
	"testing"
)

const listHead = "From: ann@example.org\nTo: talk@lists.example.net\nSubject: x\nSender: talk-admin@lists.example.net\n"

// TestListFooter: what a list writes below each message isn't the message's own text, in plain text as well as behind HTML; all else stays, and so does what
// is drawn in mail that came directly.
func TestListFooter(t *testing.T) {
	said := "buy these pills, " + strings.Repeat("as they say ", 20)
	const below = "\n-------------------------------------------------------\nThis list is sponsored by example.com\n" +
		"_______________________________________________\ntalk mailing list\nhttps://lists.example.net/mailman/listinfo/talk\n"
	for name, c := range map[string]struct{ raw, has string }{
		"plain":       {listHead + "\n" + said + below, "!"},
		"html":        {listHead + "Content-Type: text/html\n\n<html><p>" + said + "</html>" + below, "!"},
		"Mailman":     {strings.Replace(listHead, "Sender: talk-admin@", "X-Mailman-Version: 2.1\nSender: x@", 1) + "\n" + said + below, "!"},
		"majordomo":   {strings.Replace(listHead, "talk-admin", "owner-talk", 1) + "\n" + said + below, "!"},
		"not by list": {strings.Replace(listHead, "talk-admin", "talk", 1) + "\n" + said + below, ""},
		"far above":   {listHead + "\n" + said + below + strings.Repeat("more and more of it\n", 60), ""},
	} {
		t.Run(name, func(t *testing.T) {
			wants(t, c.raw, "words: these pills", c.has+"word: sponsored", c.has+"words: mailing list", c.has+"link to: lists.example.net", c.has+"word: listinfo")
		})
	}
}

// TestFooterHidesNoLinks: where a message leads counts, also below a line that a list might have drawn; the list's own pages don't.
func TestFooterHidesNoLinks(t *testing.T) {
	const head = "From: ann@example.org\nTo: bob@example.com\nSubject: x\nList-Post: <mailto:talk@lists.example.net>\nList-Unsubscribe: <https://Example.COM/leave>\n"
	above, line := strings.Repeat("Dear customer, as you have asked us to, we tell you what there is.\n", 3), "_______________________________\n"
	for _, kind := range []string{"", "Content-Type: text/html\n"} {
		wants(t, head+kind+"\n"+above+line+"sponsored: http://pills.example.biz/buy https://www.example.com/ https://lists.example.net/talk <a href=\"https://x.example.info\">here</a>\n",
			"link to: pills.example.biz", "link to: x.example.info", "!link to: www.example.com", "!link to: lists.example.net", "!word: sponsored")
	}
}

// TestListEnvelope: how the envelope and the Sender field go with the author says nothing of what a list sends on.
func TestListEnvelope(t *testing.T) {
	for sender, list := range map[string]bool{"talk-admin": true, "Owner-talk": true, "talk-bounces": true, "admin": false, "ann": false} {
		m := parse(strings.Replace(listHead, "talk-admin", sender, 1) + "\nhello")
		m.Facts.From = "talk-admin@lists.example.net"
		ns := names(m)
		for _, n := range ns {
			if list && (strings.HasPrefix(n, "return path") || strings.HasPrefix(n, "sender's addresses: sent by")) {
				t.Errorf("sent by %s: %q", sender, n)
			}
		}
		if slices.Contains(ns, "recipients: a list") != list || slices.Contains(ns, "return path: lists.example.net") == list {
			t.Errorf("sent by %s: it's a list: %v", sender, !list)
		}
	}
}

// BenchmarkFooter is what it costs that there is none.
func BenchmarkFooter(b *testing.B) {
	text := []byte(strings.Repeat("A line as people write them, of some seventy characters or a bit less.\r\n", 100))
	for b.Loop() {
		new(extraction).withoutFooter(text, false)
	}
}

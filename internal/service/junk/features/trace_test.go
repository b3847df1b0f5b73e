package features

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestTraceOfOthers: how those called themselves who brought a message to servers on the way, what they were found to be, and whether they have to do
// with the author; nothing of what is inside of a network, and no names.
func TestTraceOfOthers(t *testing.T) {
	received := func(from string) string {
		return "Received: " + from + "\n\tby mx.example.com (8.11) with ESMTP id 1 for <a@b.example>; Mon, 2 Feb 2026 10:00:00 +0000\n"
	}
	wants(t, received("from mail.example.org (mail.example.org [192.0.2.1])")+plain+"x",
		"trace: a domain, was of the same name", "trace: a domain, was of the same name esmtp", "trace: author's domain yes", "!trace: example.org")
	for from, want := range map[string]string{
		"from [192.0.2.1]": "a number in brackets, was nothing", "from 192.0.2.1 ([192.0.2.1])": "a number, was a number alone",
		"from PC7 (unknown [192.0.2.1])": "no domain, was without a name", "from a.example (HELO b) (192.0.2.1)": "a domain, was of the name it told",
		"from a.shop.example (b.shop.example [192.0.2.1])": "a domain, was of nearly the same name", "from a.example (ident@b.example [192.0.2.1])": "a domain, was of another name",
		"from a.example (b.example [192.0.2.1] (may be forged))": "a domain, was perhaps forged", "from unknown (192.0.2.1)": "unknown, was a number alone",
		"from ann@a.example": "a mailbox, was nothing", "from localhost (192.0.2.1)": "localhost, was a number alone", "from a.example ()": "a domain, was something else",
	} {
		wants(t, received(from)+plain+"x", "trace: "+want, "trace: author's domain no")
	}
	const tls = "\n\t(using TLS 1.3 with cipher TLS_AES_128_GCM_SHA256)"
	wants(t, received("from a.example ([192.0.2.1])"+tls)+plain+"x", "trace: a domain, was a number alone esmtp")
	for _, inside := range []string{"from localhost (localhost [127.0.0.1])", "from pc (pc [10.1.2.3])", "from pc (pc [192.168.1.3])", "by here",
		"from pc (pc [172.31.1.3])", "from [10.1.2.3]", "from pc (pc [IPv6:fd00::3])", "from pc (HELO pc) (10.1.2.3)"} {
		wants(t, received(inside)+plain+"x", "!trace: author's domain no", "!trace: author's domain yes")
	}
	// What a client calls itself doesn't make it one of the inside, nor does an address that only looks like theirs.
	for _, outside := range []string{"from [10.1.2.3] (unknown [192.0.2.1])", "from 127.0.0.1 (a.example [192.0.2.1])", "from a.example (a.example [172.104.1.2])",
		"from a.example (a.example [2001:db8::127.0.0.1])", "from a.example (HELO 10.1.2.3) (192.0.2.1)", "from [192.0.2.1] (helo=10.1.2.3)"} {
		wants(t, received(outside)+plain+"x", "trace: author's domain no")
	}
	wants(t, "Received: from pop.example.org [192.0.2.1]\n\tby localhost with POP3 (fetchmail-5.9.0)\n\tfor ann (single-drop); Mon, 2 Feb 2026 10:00:00 +0000\n"+plain+"x",
		"!trace: author's domain yes")
}

// TestFetchedClient: who brought a message to the mailbox that it was fetched from counts as who brought it.
func TestFetchedClient(t *testing.T) {
	const fetched = "Received: from pop.example.org [192.0.2.1]\r\n\tby localhost with POP3 (fetchmail-5.9.0)\r\n\tfor ann (single-drop); Mon, 2 Feb 2026 10:00:00 +0000\r\n"
	const brought = "Received: from mail.example.net (mail.example.net [198.51.100.7])\r\n\tby pop.example.org with ESMTP id 1; Mon, 2 Feb 2026 09:00:00 +0000\r\n"
	if f := FactsOf([]byte(fetched+brought+"From: a@example.net\r\n\r\n"), "none"); f.Client.String() != "198.51.100.7" || f.Helo != "mail.example.net" {
		t.Errorf("%+v", f)
	}
	if f := FactsOf([]byte(brought+fetched+"From: a@example.net\r\n\r\n"), "none"); f.Client.String() != "198.51.100.7" {
		t.Errorf("%+v", f)
	}
}

// TestHeloIsNoClient: what a client calls itself isn't taken for what it is, also where servers repeat it beside that.
func TestHeloIsNoClient(t *testing.T) {
	for _, from := range []string{"from [198.51.100.7] (helo=192.0.2.1)", "from unknown (HELO 192.0.2.1) (198.51.100.7)", "from x.example ([198.51.100.7] helo=192.0.2.1)"} {
		if f := FactsOf([]byte("Received: "+from+" by mx.example.com with ESMTP id 1; Mon, 2 Feb 2026 10:00:00 +0000\r\nFrom: a@example.net\r\n\r\n"), "none"); f.Client.String() != "198.51.100.7" {
			t.Errorf("%s: %+v", from, f)
		}
	}
}

// TestClientHasRoom: a header of a thousand fields leaves room for who brought the message, and for what it says itself.
func TestClientHasRoom(t *testing.T) {
	var many strings.Builder
	for n := range 2000 {
		fmt.Fprintf(&many, "X%d: y\n", n)
	}
	m := parse("Received: from a.example (a.example [192.0.2.1]) by b.example; Mon, 2 Nov 2026 10:00:00 +0000\n" + many.String() + "From: ann@example.org\nSubject: special offer\n\nsee https://www.shop.example/")
	m.Facts = Facts{Client: netip.MustParseAddr("198.51.100.7")}
	got := names(m)
	for _, want := range []string{"network: 198.51.100.0/24", "client: without a name", "subject has: offer", "trace: author's domain no", "link to: www.shop.example"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s isn't among %d features", want, len(got))
		}
	}
}

// TestMatches: how links go with the author, and the message's ID with the program.
func TestMatches(t *testing.T) {
	wants(t, plain+"see https://www.example.org/", "goes together: links to the author alone")
	wants(t, plain+"see https://www.example.org/ and https://shop.example/", "goes together: links to the author and others")
	wants(t, plain+"see https://shop.example/", "goes together: links to others")
	wants(t, plain+"none", "!goes together: links to others", "!goes together: links to the author alone")
	wants(t, "Message-ID: <000a01c1$12@x>\nX-Mailer: Microsoft Outlook Express 6.0\nFrom: a@b.example\n\nx", "goes together: microsoft outlook express 0a0a0$0@a")
}

// TestLists: what a list adds isn't the message's: fields, the tag, who sends it on, and lines about itself below.
func TestListAdds(t *testing.T) {
	const added = "Sender: x-admin@lists.example\nPrecedence: bulk\nList-Post: <mailto:x@lists.example>\nList-Unsubscribe: <mailto:x@lists.example>\nX-Original-Date: today\n"
	wants(t, added+"From: a@b.example\nSubject: [tag] word\n\nit says so much that there is more of it than below\nhttp://lists.example/mailman/listinfo/friends\n",
		"recipients: a list", "!header field: sender", "!header field: precedence", "!header field: list-unsubscribe", "!header field: x-original-date",
		"!subject has: tag", "subject has: word", "word: much", "!word: friends", "header field: from")
	wants(t, "From: a@b.example\nSubject: [tag] word\n\nhttp://lists.example/mailman/listinfo/friends\n", "subject has: tag", "word: friends")
}

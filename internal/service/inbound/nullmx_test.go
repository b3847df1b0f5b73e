package inbound

import (
	"strings"
	"testing"

	"postroad/internal/service/dns"
)

// TestNullMX: RFC 7505 §4.2. Who can't be told of trouble is refused if that is wanted, and else looks bad.
func TestNullMX(t *testing.T) {
	const zone = "mute.example. MX 0 .\nmute.example. TXT \"v=spf1 ip4:198.51.100.5 -all\"\n"
	from := func(ip, sender string) client {
		return client{IP: ip, Helo: "mail.list.example", From: sender, Message: letter(sender)}
	}
	o := Options{Greylist: GreyOff, NullMXRefuse: true, Allow: []List{{Zone: "wl.example"}}}
	w := newWorld(t, o)
	w.dns.Add(t, zone)
	_, err := w.visit(from(listIP, "ann@mute.example"))
	refused(t, err, NullMX, 550)
	if r := RefusalOf(err); r.Status != "5.7.27" || !strings.Contains(r.Text, "mute.example") {
		t.Errorf("%+v", r)
	}
	for _, c := range []client{from(listIP, "ann@list.example"), from(listIP, ""), from(listIP, "ann@nowhere.example"),
		{IP: listIP, Helo: "mail.list.example", From: "ann@mute.example", To: "postmaster@example.org"}} {
		v, err := w.visit(c)
		if err != nil {
			t.Errorf("%s: %v", c.From, err)
		}
		v.Close() // or else its questions may still be under way, and the next one's answers are theirs
	}
	w.dns.Add(t, "5.100.51.198.wl.example. A 127.0.0.2\n")
	if _, err := w.visit(from(listIP, "ann@mute.example")); err != nil {
		t.Errorf("who is on a list of the good: %v", err)
	}
	w = newWorld(t, o)
	w.dns.Add(t, zone)
	w.dns.Fail("mute.example", "MX", dns.Temporary)
	if _, err := w.visit(from(listIP, "ann@mute.example")); err != nil {
		t.Errorf("the DNS is silent: %v", err)
	}

	w = newWorld(t, Options{})
	w.dns.Add(t, zone)
	_, err = w.visit(from(listIP, "ann@mute.example"))
	refused(t, err, Greylisted, 451)
	if _, err := w.visit(from(listIP, "ann@list.example")); err != nil {
		t.Error(err)
	}
}

// TestNullMXOfTheNextMessage: each reverse-path is judged by itself.
func TestNullMXOfTheNextMessage(t *testing.T) {
	w := newWorld(t, Options{Greylist: GreyOff, NullMXRefuse: true})
	w.dns.Add(t, "mute.example. MX 0 .\n")
	v, err := w.visit(client{IP: listIP, From: "ann@list.example"})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		from string
		ok   bool
	}{{"ann@mute.example", false}, {"ann@list.example", true}, {"", true}, {"bob@mute.example", false}} {
		if err := v.Mail(t.Context(), x.from); err != nil {
			t.Fatal(err)
		}
		if err := v.Recipient(t.Context(), "bob@example.org"); (err == nil) != x.ok {
			t.Errorf("%q: %v", x.from, err)
		}
	}
}

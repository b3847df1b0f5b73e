package relay

import (
	"context"
	"net"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/emersion/go-smtp"

	"postroad/internal/service/transfer"
)

// TestSource: a connection comes from the hop's source address, is introduced by that address's name, and doesn't
// serve jobs that are to come from another.
func TestSource(t *testing.T) {
	var froms, names []netip.Addr
	h := another(t, &other{}, false)
	r := New(Options{
		Dial: func(ctx context.Context, from netip.Addr, network, addr string) (net.Conn, error) {
			froms = append(froms, from)
			return dialTCP(ctx, from, network, addr)
		},
		Hostname: func(local netip.Addr) string {
			names = append(names, local)
			return "us.example"
		},
	})
	defer r.Close()
	one, two := netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3")
	for _, from := range []netip.Addr{one, two, one} {
		h.Source = from
		if out := r.Send(t.Context(), []Hop{h}, letter("Subject: x\r\n\r\n", "ben@there.example")); out[0].Result != transfer.Delivered {
			t.Fatalf("from %s: %+v", from, out[0])
		}
	}
	if len(froms) != 2 || froms[0] != one || froms[1] != two || len(names) != 2 || names[0] != one || names[1] != two {
		t.Errorf("connected from %v, introduced for %v", froms, names)
	}
}

// TestSocket: LMTP over a unix socket, and a socket that nobody has.
func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lmtp")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	o := &other{}
	s := smtp.NewServer(o)
	s.LMTP, s.Domain = true, "there.example"
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	defer func() {
		s.Close()
		<-done
	}()
	r := tcp(t)
	h := Hop{Host: "localhost", Socket: path, Protocol: LMTP}
	out := r.Send(t.Context(), []Hop{h}, letter("Subject: x\r\n\r\n", "ben@there.example", "full@there.example"))
	if out[0].Result != transfer.Relayed || out[0].Remote != "localhost" || out[1].Status != "4.2.2" || len(o.got) != 1 {
		t.Errorf("%+v, got %v", out, o.got)
	}
	h.Socket += "none"
	out = r.Send(t.Context(), []Hop{h}, letter("Subject: x\r\n\r\n", "ben@there.example"))
	if out[0].Result != transfer.Deferred || out[0].Status != "4.4.1" || out[0].Text != "connect to localhost ["+h.Socket+"]: no such file or directory" {
		t.Errorf("%+v", out)
	}
}

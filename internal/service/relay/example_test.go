package relay_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"

	"postroad/internal/service/relay"
	"postroad/internal/service/transfer"
)

// A message is handed to the first of two hosts that is there.
func ExampleRelay_Send() {
	dial := func(_ context.Context, _ netip.Addr, _, addr string) (net.Conn, error) {
		if addr == "192.0.2.1:25" {
			return nil, io.ErrUnexpectedEOF // nobody is there
		}
		ours, theirs := net.Pipe()
		go server(theirs)
		return ours, nil
	}
	r := relay.New(relay.Options{Dial: dial, Hostname: func(netip.Addr) string { return "mail.example.org" }})
	defer r.Close()

	hops := []relay.Hop{
		{Host: "mx1.example.net", Addr: netip.MustParseAddrPort("192.0.2.1:25"), TLS: relay.Policy{Mode: relay.Opportunistic}},
		{Host: "mx2.example.net", Addr: netip.MustParseAddrPort("192.0.2.2:25"), TLS: relay.Policy{Mode: relay.Opportunistic}},
	}
	job := transfer.Job{
		Envelope:   transfer.Envelope{From: "ann@example.org"},
		Recipients: []transfer.Recipient{{Address: "bob@example.net"}},
		Content:    strings.NewReader("Subject: greetings\r\n\r\nHello\r\n"),
	}
	for _, o := range r.Send(context.Background(), hops, job) {
		fmt.Println(o.Result == transfer.Relayed, o.Remote, o.Code, o.Status, o.Text)
	}
	// Output: true mx2.example.net 250 2.0.0 Queued
}

// server takes one message without looking.
func server(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 4096)
	for _, s := range []string{"220 mx2.example.net", "250 hello", "250 ok", "250 ok", "354 go on", "250 2.0.0 Queued", "221 bye"} {
		if _, err := io.WriteString(c, s+"\r\n"); err != nil {
			return
		}
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

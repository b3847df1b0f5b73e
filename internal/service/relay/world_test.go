package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"postroad/internal/service/certtest"
	"postroad/internal/service/memnet"
	"postroad/internal/service/transfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// epoch is when everything happens.
var epoch = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// peers are hosts inside the test: each connection to an address is served by the next of its functions.
type peers struct {
	t     testing.TB
	mu    sync.Mutex
	serve map[string][]func(net.Conn)
	dials int
	all   sync.WaitGroup
}

func newPeers(t testing.TB) *peers {
	return &peers{t: t, serve: map[string][]func(net.Conn){}}
}

// at lets f serve the next connection to the n-th host that nobody serves yet.
func (p *peers) at(n int, f func(net.Conn)) {
	a := hop(n).Addr.String()
	p.serve[a] = append(p.serve[a], f)
}

var errNobody = errors.New("connection refused")

func (p *peers) dial(ctx context.Context, _ netip.Addr, network, addr string) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials++
	if network != "tcp" || len(p.serve[addr]) == 0 {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errNobody}
	}
	f := p.serve[addr][0]
	p.serve[addr] = p.serve[addr][1:]
	ours, theirs := memnet.Pipe(&net.TCPAddr{}, &net.TCPAddr{})
	p.all.Go(func() {
		defer theirs.Close()
		f(theirs)
	})
	return ours, nil
}

func (p *peers) relay(l Limits) *Relay {
	return New(Options{
		Dial: p.dial, Hostname: func(netip.Addr) string { return "us.example" },
		Now: func() time.Time { return epoch }, Limits: l,
	})
}

// hop is the n-th host.
func hop(n int) Hop {
	return Hop{
		Host: "mx" + string(rune('0'+n)) + ".example",
		Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 25),
	}
}

// letter is a job with text for recipients.
func letter(text string, to ...string) transfer.Job {
	j := transfer.Job{Envelope: transfer.Envelope{ID: "m1", From: "ann@us.example"}, Content: strings.NewReader(text)}
	for _, a := range to {
		j.Recipients = append(j.Recipients, transfer.Recipient{Address: a})
	}
	return j
}

// certificate is for the hosts' names.
func certificate(t testing.TB) tls.Certificate {
	return certtest.Server(t, "mx1.example", "mx2.example")
}

package relay

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
	"github.com/xdg-go/scram"

	"postroad/internal/service/certtest"
	"postroad/internal/service/transfer"
)

// other is a server of somebody else's make.
type other struct {
	mu  sync.Mutex
	got []received
}

type received struct {
	From, User string
	To         []string
	Body       string
	Mail       smtp.MailOptions
	Text       string
}

func (o *other) NewSession(*smtp.Conn) (smtp.Session, error) { return &otherSession{other: o}, nil }

type otherSession struct {
	*other
	now received
}

func (s *otherSession) Mail(from string, opts *smtp.MailOptions) error {
	s.now.From, s.now.Mail = from, *opts
	return nil
}

func (s *otherSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	s.now.To = append(s.now.To, to)
	return nil
}

func (s *otherSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.now.Text = string(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, s.now)
	return nil
}

func (s *otherSession) LMTPData(r io.Reader, status smtp.StatusCollector) error {
	err := s.Data(r)
	for _, to := range s.now.To {
		if strings.HasPrefix(to, "full@") {
			status.SetStatus(to, &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "over quota"})
			continue
		}
		status.SetStatus(to, err)
	}
	return nil
}

func (s *otherSession) Reset()        { s.now = received{User: s.now.User} }
func (s *otherSession) Logout() error { return nil }

func (s *otherSession) AuthMechanisms() []string { return []string{"PLAIN", "LOGIN", "SCRAM-SHA-256"} }

func (s *otherSession) Auth(mech string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != "ann" || password != "sesame" {
			return errors.New("wrong")
		}
		s.now.User = user
		return nil
	}
	switch mech {
	case "PLAIN":
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	case "SCRAM-SHA-256":
		return newScram(func() { s.now.User = "ann by SCRAM" })
	}
	return nil, errors.New("unknown")
}

// scramServer is SCRAM-SHA-256 by another implementation's server side.
type scramServer struct {
	*scram.ServerConversation
	won func()
}

func newScram(won func()) (sasl.Server, error) {
	client, err := scram.SHA256.NewClient("ann", "sesame", "")
	if err != nil {
		return nil, err
	}
	stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salty salt", Iters: 4096})
	if err != nil {
		return nil, err
	}
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return stored, nil })
	if err != nil {
		return nil, err
	}
	return &scramServer{server.NewConversation(), won}, nil
}

func (s *scramServer) Next(response []byte) ([]byte, bool, error) {
	if s.Done() {
		s.won()
		return nil, true, nil
	}
	challenge, err := s.Step(string(response))
	return []byte(challenge), false, err
}

// listen serves on the loopback until the test ends.
func listen(t testing.TB, serve func(net.Listener) error, stop func() error) Hop {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() { serve(l) }) //nolint:errcheck // it ends when stopped
	t.Cleanup(func() {
		stop() //nolint:errcheck // it is over
		l.Close()
		all.Wait()
	})
	return Hop{Host: "mx1.example", Addr: netip.MustParseAddrPort(l.Addr().String())}
}

// another starts a server of other's, with TLS.
func another(t testing.TB, o *other, lmtp bool) Hop {
	s := smtp.NewServer(o)
	cert := certificate(t)
	s.Domain, s.LMTP, s.TLSConfig = "mx1.example", lmtp, &tls.Config{Certificates: []tls.Certificate{cert}}
	s.EnableDSN, s.EnableSMTPUTF8, s.EnableREQUIRETLS, s.EnableBINARYMIME = true, true, true, true
	s.MaxRecipients, s.MaxMessageBytes = 3, 1<<20
	s.AllowInsecureAuth = true
	h := listen(t, s.Serve, s.Close)
	h.TLS = Policy{Mode: Verified, Config: &tls.Config{RootCAs: certtest.Roots(cert)}}
	return h
}

func tcp(t testing.TB) *Relay {
	r := New(Options{Dial: dialTCP})
	t.Cleanup(r.Close)
	return r
}

// TestAnotherServer: go-smtp's server takes what we send, as we mean it.
func TestAnotherServer(t *testing.T) {
	o := &other{}
	h := another(t, o, false)
	h.Auth = &Credentials{User: "ann", Password: "sesame"}
	r := tcp(t)
	text := "Subject: x\r\n\r\n.\r\n" + strings.Repeat("hélló\r\n", 30_000)
	job := letter(text, "a@there.example", "nobody@there.example", "b@there.example", "zoë@there.example", "d@there.example")
	job.Envelope = transfer.Envelope{From: "ann@us.example", EnvelopeID: "1+1", RequireTLS: true, UTF8: true}
	for range 2 {
		got := r.Send(context.Background(), []Hop{h}, job)
		for i, o := range got {
			if want := transfer.Delivered; i != 1 && (o.Result != want || o.TLS != "TLS1.3 verified") {
				t.Errorf("%d: %+v", i, o)
			}
		}
		if got[1].Result != transfer.Failed || got[1].Status != "5.1.1" {
			t.Errorf("%+v", got[1])
		}
	}
	var all []string
	for _, m := range o.got {
		all = append(all, m.To...)
		if m.Text != text {
			t.Errorf("%d bytes arrived, want %d", len(m.Text), len(text))
		}
		want := smtp.MailOptions{Size: int64(len(text)), RequireTLS: true, UTF8: true, EnvelopeID: "1+1", Body: smtp.Body8BitMIME}
		if d := cmp.Diff(want, m.Mail); d != "" || m.From != "ann@us.example" || m.User != "ann by SCRAM" {
			t.Errorf("%s %s %s", m.From, m.User, d)
		}
	}
	if got := fmt.Sprint(all); got != "[a@there.example b@there.example zoë@there.example d@there.example a@there.example b@there.example zoë@there.example d@there.example]" {
		t.Error(got)
	}
}

// TestAnotherLMTP is the same for LMTP.
func TestAnotherLMTP(t *testing.T) {
	o := &other{}
	h := another(t, o, true)
	h.Protocol = LMTP
	got := tcp(t).Send(context.Background(), []Hop{h}, letter("x\n.y", "a@there.example", "full@there.example", "nobody@there.example"))
	if got[0].Result != transfer.Delivered || got[1].Result != transfer.Deferred || got[1].Status != "4.2.2" || got[2].Result != transfer.Failed {
		t.Errorf("%+v", got)
	}
	if len(o.got) != 1 || o.got[0].Text != "x\r\n.y\r\n" {
		t.Errorf("%+v", o.got)
	}
}

// TestTooLargeForAnother: SIZE is looked at before anything is sent.
func TestTooLargeForAnother(t *testing.T) {
	o := &other{}
	r := tcp(t)
	h := another(t, o, false)
	for n, want := range map[int]transfer.Result{1 << 20: transfer.Delivered, 1<<20 + 16: transfer.Failed, 3 << 20: transfer.Failed} {
		got := r.Send(context.Background(), []Hop{h}, letter(strings.Repeat("0123456789abcd\r\n", n/16)+strings.Repeat("\n", n%16), "a@there.example"))[0]
		if got.Result != want {
			t.Errorf("%d bytes: %+v", n, got)
		}
	}
}

// TestManyAtOnce: a Relay is used from everywhere, and no connection by two.
func TestManyAtOnce(t *testing.T) {
	o := &other{}
	r := tcp(t)
	h := another(t, o, false)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 5 {
				text := fmt.Sprintf("Subject: %d-%d\r\n\r\n", i, j)
				if got := r.Send(context.Background(), []Hop{h}, letter(text, "a@there.example"))[0]; got.Result != transfer.Delivered {
					t.Errorf("%+v", got)
				}
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	for _, m := range o.got {
		seen[m.Text] = true
	}
	if len(o.got) != 40 || len(seen) != 40 {
		t.Errorf("%d messages, %d different", len(o.got), len(seen))
	}
}

// TestPipelinedChunks: a refusal while more chunks are on their way leaves the connection in step.
func TestPipelinedChunks(t *testing.T) {
	text := strings.Repeat(strings.Repeat("y", 70)+"\r\n", 100_000)
	for _, refuse := range []int{1, 4} {
		var got bytes.Buffer
		dials := 0
		h := listen(t, func(l net.Listener) error {
			for {
				c, err := l.Accept()
				if err != nil {
					return err
				}
				dials++
				chunked("250-PIPELINING\r\n", refuse, &got)(c)
				c.Close()
			}
		}, func() error { return nil })
		r := New(Options{Dial: dialTCP})
		first := r.Send(context.Background(), []Hop{h}, letter(text, "a@there.example"))[0]
		second := r.Send(context.Background(), []Hop{h}, letter(text, "a@there.example"))[0]
		r.Close()
		if first.Result != transfer.Failed || first.Status != "5.3.4" || second.Result != transfer.Relayed || dials != 1 || got.String() != text {
			t.Errorf("%+v\n%+v\n%d dials", first, second, dials)
		}
	}
}

// TestHangUpWithReason: a hop that refuses the message in its middle and closes is heard.
func TestHangUpWithReason(t *testing.T) {
	p := newPeers(t)
	p.at(1, func(c net.Conn) {
		in := bufio.NewReader(c)
		served(c, in, "220 hi", "<", "250 hi", "<", "250 ok", "<", "250 ok", "<", "354 go on")
		io.CopyN(io.Discard, in, 1000)
	})
	ours := p.dial
	r := New(Options{Dial: func(ctx context.Context, from netip.Addr, network, addr string) (net.Conn, error) {
		c, err := ours(ctx, from, network, addr)
		return &deaf{Conn: c}, err
	}})
	o := r.Send(context.Background(), []Hop{hop(1)}, letter(strings.Repeat("x", 1<<20), "bob@there.example"))[0]
	r.Close()
	p.all.Wait()
	if o.Result != transfer.Failed || o.Code != 552 || o.Status != "5.3.4" || o.Text != "too much" {
		t.Errorf("%+v", o)
	}
}

// deaf has a reply waiting once a write has failed.
type deaf struct {
	net.Conn
	failed bool
}

func (d *deaf) Write(b []byte) (int, error) {
	n, err := d.Conn.Write(b)
	d.failed = err != nil
	return n, err
}

func (d *deaf) Read(b []byte) (int, error) {
	if d.failed {
		return copy(b, "552 5.3.4 too much\r\n"), nil
	}
	return d.Conn.Read(b)
}

// SetDeadline works on what a pipe calls closed, as it does with TCP.
func (d *deaf) SetDeadline(t time.Time) error {
	d.Conn.SetDeadline(t) //nolint:errcheck // see above
	return nil
}

// dialTCP is the machine's network.
func dialTCP(ctx context.Context, from netip.Addr, network, addr string) (net.Conn, error) {
	var d net.Dialer
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	return d.DialContext(ctx, network, addr)
}

package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"postroad/internal/fault"
	"postroad/internal/service/certtest"
)

// run plays a client's responses; it returns the last challenge.
func run(t *testing.T, h *house, p Peer, mech string, responses ...[]byte) (x Exchange, last string, err error) {
	t.Helper()
	x, err = h.Start(p, mech)
	check(t, err)
	for i, r := range responses {
		challenge, done, err := x.Next(t.Context(), r)
		if err != nil {
			return x, "", err
		}
		if last = string(challenge); done != (i == len(responses)-1) {
			t.Fatalf("after response %d: done is %t", i, done)
		}
	}
	return x, last, nil
}

func TestPlain(t *testing.T) {
	h := newHouse(t)
	for _, response := range []string{"\x00ann@example.org\x00secret", "Ann@Example.org\x00ann@example.org\x00secret"} {
		x, _, err := run(t, h, home, "plain", []byte(response))
		check(t, err)
		if x.Identity().Account != h.ann {
			t.Error("somebody else has signed in")
		}
		_, _, err = x.Next(t.Context(), nil)
		fails(t, err, fault.Invalid) // it is over
	}
	_, last, err := run(t, h, home, "PLAIN", nil, []byte("\x00ann@example.org\x00secret"))
	check(t, err)
	if last != "" {
		t.Errorf("the challenge is %q", last)
	}
	for response, kind := range map[string]fault.Kind{
		"\x00ann@example.org\x00wrong":                 fault.Unauthenticated,
		"\x00nobody@example.org\x00secret":             fault.Unauthenticated,
		"bob@example.org\x00ann@example.org\x00secret": fault.Denied,
		"root\x00ann@example.org\x00secret":            fault.Denied,
		"":                                             fault.Invalid,
		"\x00":                                         fault.Invalid,
		"\x00\x00":                                     fault.Invalid,
		"\x00ann@example.org\x00":                      fault.Invalid,
		"\x00ann@example.org\x00secret\x00":            fault.Invalid,
		"\x00ann@example.org\x00\xff":                  fault.Invalid,
		strings.Repeat("a", MaxResponse+1):             fault.Invalid,
		strings.Repeat("a", 100*MaxResponse):           fault.Invalid,
	} {
		x, _, err := run(t, h, home, "PLAIN", []byte(response))
		if !fault.Is(err, kind) || x.Identity().Account != 0 {
			t.Errorf("%.60q: %v, %+v", response, err, x.Identity())
		}
	}
}

func TestLoginMechanism(t *testing.T) {
	h := newHouse(t)
	x, err := h.Start(home, "LOGIN")
	check(t, err)
	for _, step := range []struct{ response, challenge string }{{"", "Username:"}, {"ann@example.org", "Password:"}} {
		r := []byte(step.response)
		if step.response == "" {
			r = nil
		}
		challenge, done, err := x.Next(t.Context(), r)
		if string(challenge) != step.challenge || done || err != nil {
			t.Fatalf("%q, %t, %v", challenge, done, err)
		}
	}
	if x.Identity().Account != 0 {
		t.Error("signed in without a password")
	}
	_, done, err := x.Next(t.Context(), []byte("secret"))
	check(t, err)
	if !done || x.Identity().Account != h.ann {
		t.Error("not signed in")
	}
	_, _, err = run(t, h, home, "LOGIN", []byte("ann@example.org"), []byte("secret")) // initial response
	check(t, err)
	_, _, err = run(t, h, home, "LOGIN", []byte("ann@example.org"), []byte("wrong"))
	fails(t, err, fault.Unauthenticated)
	_, _, err = run(t, h, home, "LOGIN", []byte("ann@example.org"), nil)
	fails(t, err, fault.Invalid)
	_, _, err = run(t, h, home, "LOGIN", []byte{})
	fails(t, err, fault.Invalid)
}

// scramSignIn lets an independent client speak.
func scramSignIn(t *testing.T, h *house, p Peer, mech, authzid string, talk func(*scram.Client) *scram.ClientConversation, login, password string) (Exchange, error) {
	t.Helper()
	lib := map[string]scram.HashGeneratorFcn{"SCRAM-SHA-1": scram.SHA1, "SCRAM-SHA-512": scram.SHA512}[strings.TrimSuffix(mech, "-PLUS")]
	if lib == nil {
		lib = scram.SHA256
	}
	client, err := lib.NewClient(login, password, authzid)
	check(t, err)
	conv := talk(client)
	x, err := h.Start(p, mech)
	check(t, err)
	message, err := conv.Step("")
	check(t, err)
	for {
		challenge, done, err := x.Next(t.Context(), []byte(message))
		if err != nil {
			return x, err
		}
		if message, err = conv.Step(string(challenge)); err != nil {
			t.Fatalf("the client doesn't believe us: %v", err)
		}
		if done {
			if !conv.Valid() {
				t.Error("the client isn't convinced")
			}
			return x, nil
		}
	}
}

func unbound(c *scram.Client) *scram.ClientConversation { return c.NewConversation() }

func TestScram(t *testing.T) {
	h := newHouse(t)
	clear := Peer{Addr: home.Addr, Protocol: "test"}
	for _, authzid := range []string{"", "ann@example.org"} {
		x, err := scramSignIn(t, h, clear, "SCRAM-SHA-256", authzid, unbound, "Ann@example.org", "secret")
		check(t, err)
		if x.Identity().Account != h.ann {
			t.Error("somebody else has signed in")
		}
	}
	_, err := scramSignIn(t, h, clear, "SCRAM-SHA-256", "bob@example.org", unbound, "ann@example.org", "secret")
	fails(t, err, fault.Denied)
	for _, c := range [][2]string{{"ann@example.org", "wrong"}, {"nobody@example.org", "secret"}, {"carl@example.org", "secret"}} {
		_, err := scramSignIn(t, h, clear, "SCRAM-SHA-256", "", unbound, c[0], c[1])
		fails(t, err, fault.Unauthenticated)
	}
	check(t, h.dir.SetEnabled(t.Context(), h.ann, false))
	_, err = scramSignIn(t, h, clear, "SCRAM-SHA-256", "", unbound, "ann@example.org", "secret")
	fails(t, err, fault.Denied)
}

func TestScramGuessersAreSlowedDown(t *testing.T) {
	h := newHouse(t)
	for range pairFree {
		_, err := scramSignIn(t, h, home, "SCRAM-SHA-256", "", unbound, "ann@example.org", "wrong")
		fails(t, err, fault.Unauthenticated)
	}
	_, err := scramSignIn(t, h, home, "SCRAM-SHA-256", "", unbound, "ann@example.org", "secret")
	fails(t, err, fault.RateLimited)
	_, err = h.Login(t.Context(), home, "ann@example.org", "secret")
	fails(t, err, fault.RateLimited) // the limits are one
}

// Salts show who exists unless those who don't have one that stays, too.
func TestScramSaltsShowNobody(t *testing.T) {
	h := newHouse(t)
	salt := func(login string) string {
		x, err := h.Start(home, "SCRAM-SHA-256")
		check(t, err)
		challenge, _, err := x.Next(t.Context(), []byte("n,,n="+login+",r=abc"))
		check(t, err)
		part := strings.Split(string(challenge), ",")
		raw, err := base64.StdEncoding.DecodeString(part[1][2:])
		check(t, err)
		if len(raw) != 16 || part[2] != "i=4096" || len(part[0]) != len("r=abc")+32 {
			t.Errorf("%s: %q", login, challenge)
		}
		return part[1]
	}
	for _, login := range []string{"ann@example.org", "nobody@example.org", "carl@example.org"} {
		one, two := salt(login), salt(login)
		if one != two || one != salt(strings.ToUpper(login)) || one != salt(strings.Replace(login, "@", "+x@", 1)) {
			t.Errorf("%s: the salt changes", login)
		}
	}
	if salt("nobody@example.org") == salt("other@example.org") {
		t.Error("two names have one salt")
	}
}

func TestScramNonsense(t *testing.T) {
	h := newHouse(t)
	for _, first := range []string{
		"", ",", "n,,", "n,,n=,r=", "x,,n=a,r=b", "n,,n=a=,r=b", "n,a=x=,n=a,r=b", "n,,m=x,n=a,r=b", "p=tls-exporter,,n=a,r=b",
		"p=,,n=a,r=b", "n,,n=ann@example.org", strings.Repeat(",", MaxResponse), "\xff\xff", "n,,n=\xff,r=b",
	} {
		x, err := h.Start(home, "SCRAM-SHA-256")
		check(t, err)
		if _, done, err := x.Next(t.Context(), []byte(first)); err == nil && !done {
			_, done, err = x.Next(t.Context(), []byte(first))
			if err == nil || done {
				t.Errorf("%.40q: accepted", first)
			}
		}
	}
	good := "n,,n=ann@example.org,r=abc"
	for _, final := range []string{"", "c=biws", "c=biws,r=abc,p=", "c=!,r=abc,p=AAAA", "c=biws,r=other,p=AAAA", strings.Repeat("p", MaxResponse)} {
		_, _, err := run(t, h, from("198.51.100.9"), "SCRAM-SHA-256", []byte(good), []byte(final))
		if !fault.Is(err, fault.Unauthenticated) && !fault.Is(err, fault.RateLimited) {
			t.Errorf("%.40q: %v", final, err)
		}
	}
}

// secured is what both ends of a TLS connection know of it.
type secured struct {
	server, client tls.ConnectionState
	cert           *x509.Certificate
}

func newTLS(t testing.TB) secured {
	t.Helper()
	cert := certtest.Server(t, "mail.example.org")
	near, far := net.Pipe()
	server := tls.Server(near, &tls.Config{Certificates: []tls.Certificate{cert}})
	client := tls.Client(far, &tls.Config{InsecureSkipVerify: true})
	result := make(chan error, 1)
	go func() { result <- server.Handshake() }()
	check(t, client.Handshake())
	go client.Read(make([]byte, 1)) // takes the session tickets
	check(t, <-result)
	t.Cleanup(func() { near.Close(); far.Close() })
	return secured{server.ConnectionState(), client.ConnectionState(), cert.Leaf}
}

func TestScramPlus(t *testing.T) {
	h := newHouse(t)
	conn := newTLS(t)
	peer := Peer{Addr: home.Addr, TLS: &conn.server, Certificate: conn.cert}
	exporter, err := scram.NewTLSExporterBinding(&conn.client)
	check(t, err)
	endPoint, err := scram.NewTLSServerEndpointBinding(&conn.client)
	check(t, err)
	bound := func(b scram.ChannelBinding) func(*scram.Client) *scram.ClientConversation {
		return func(c *scram.Client) *scram.ClientConversation { return c.NewConversationWithChannelBinding(b) }
	}
	for _, b := range []scram.ChannelBinding{exporter, endPoint} {
		x, err := scramSignIn(t, h, peer, "SCRAM-SHA-256-PLUS", "", bound(b), "ann@example.org", "secret")
		check(t, err)
		if x.Identity().Account != h.ann {
			t.Error("somebody else has signed in")
		}
	}
	// Somebody in the middle has another connection with us.
	other := newTLS(t)
	middle, err := scram.NewTLSExporterBinding(&other.client)
	check(t, err)
	_, err = scramSignIn(t, h, peer, "SCRAM-SHA-256-PLUS", "", bound(middle), "ann@example.org", "secret")
	fails(t, err, fault.Unauthenticated)
	// A binding that we don't offer on this connection.
	_, err = scramSignIn(t, h, Peer{TLS: &conn.server}, "SCRAM-SHA-256-PLUS", "", bound(endPoint), "ann@example.org", "secret")
	fails(t, err, fault.Invalid)
	// No binding where the mechanism demands one; a binding where it has none; a downgrade (RFC 5802 §6).
	for mech, first := range map[string]string{
		"SCRAM-SHA-256-PLUS": "n,,n=ann@example.org,r=abc",
		"SCRAM-SHA-256":      "y,,n=ann@example.org,r=abc",
		"scram-sha-256":      "p=tls-exporter,,n=ann@example.org,r=abc",
	} {
		_, _, err = run(t, h, peer, mech, []byte(first))
		fails(t, err, fault.Invalid)
	}
	_, err = scramSignIn(t, h, peer, "SCRAM-SHA-256", "", unbound, "ann@example.org", "secret")
	check(t, err)
}

func FuzzExchange(f *testing.F) {
	h := newHouse(f)
	h.Engine.throttle = newThrottle()
	f.Add(uint8(0), []byte("\x00ann@example.org\x00secret"), []byte(nil))
	f.Add(uint8(1), []byte("ann@example.org"), []byte("secret"))
	f.Add(uint8(2), []byte("n,,n=ann@example.org,r=abc"), []byte("c=biws,r=abc,p=AAAA"))
	names := []string{"PLAIN", "LOGIN", "SCRAM-SHA-256"}
	f.Fuzz(func(t *testing.T, which uint8, one, two []byte) {
		x, err := h.Start(home, names[int(which)%len(names)])
		check(t, err)
		for _, r := range [][]byte{one, two, nil} {
			challenge, done, err := x.Next(context.Background(), r)
			if err != nil && (challenge != nil || done || x.Identity().Account != 0) {
				t.Fatalf("failed, but %q, %t", challenge, done)
			}
			if done != (x.Identity().Account != 0) {
				t.Fatalf("done is %t, but %+v has signed in", done, x.Identity())
			}
			if done {
				return
			}
		}
	})
}

package dns

import (
	"strings"
	"testing"

	wire "github.com/miekg/dns"
)

func question1(t testing.TB, name string) *wire.Msg {
	t.Helper()
	c := &Client{rand: zeros{}}
	q, err := c.query(name, wire.TypeMX, false)
	if err != nil {
		t.Fatal(err)
	}
	return q.Msg
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestForeignReplies: what isn't the answer to the question is not believed.
func TestForeignReplies(t *testing.T) {
	q := question1(t, "example.org")
	for what, spoil := range map[string]func(*wire.Msg){
		"the answer":        func(*wire.Msg) {},
		"another number":    func(m *wire.Msg) { m.Id++ },
		"a question":        func(m *wire.Msg) { m.Response = false },
		"another name":      func(m *wire.Msg) { m.Question[0].Name = "example.net." },
		"another type":      func(m *wire.Msg) { m.Question[0].Qtype = wire.TypeA },
		"another class":     func(m *wire.Msg) { m.Question[0].Qclass = wire.ClassCHAOS },
		"two questions":     func(m *wire.Msg) { m.Question = append(m.Question, m.Question[0]) },
		"no question":       func(m *wire.Msg) { m.Question = nil },
		"another opcode":    func(m *wire.Msg) { m.Opcode = wire.OpcodeUpdate },
		"differently cased": func(m *wire.Msg) { m.Question[0].Name = "EXAMPLE.org." },
	} {
		m := new(wire.Msg).SetReply(q)
		spoil(m)
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		_, err = parseReply(q, b)
		if good := what == "the answer" || what == "differently cased"; good != (err == nil) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := parseReply(q, []byte("nonsense")); err == nil {
		t.Error("nonsense was believed")
	}
}

// TestQuery: the question asks for the AD bit (RFC 6840 §5.7) and says which size is fine (RFC 6891).
func TestQuery(t *testing.T) {
	q := question1(t, "example.org")
	opt := q.IsEdns0()
	if !q.AuthenticatedData || !q.RecursionDesired || opt == nil || opt.UDPSize() != udpSize || q.Question[0].Name != "example.org." {
		t.Errorf("%v", q)
	}
}

// FuzzReply: whatever comes, at most an answer to the question comes out, and it is bounded.
func FuzzReply(f *testing.F) {
	q := question1(f, "example.org")
	for _, zone := range []string{"example.org. 60 IN MX 10 mx.example.org.", "example.org. 60 IN CNAME example.org.", "."} {
		m := new(wire.Msg).SetReply(q)
		if rr, err := wire.NewRR(zone); err == nil && rr != nil {
			m.Answer = append(m.Answer, rr)
		}
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseReply(q, b)
		if err != nil {
			return
		}
		res := interpret(r, "example.org", wire.TypeMX)
		if res.failed == (len(res.records) > 0) || len(res.records) > maxRecords || res.ttl < 0 || res.ttl > maxTTL || res.secure {
			t.Errorf("%+v", res)
		}
	})
}

// TestPadding: an encrypted question's size says little about the name (RFC 8467 §4.1).
func TestPadding(t *testing.T) {
	c := &Client{rand: zeros{}}
	for n := 1; n < 240; n++ {
		name := strings.Repeat("a.", n/2) + "example"
		q, err := c.query(name, wire.TypeMX, true)
		if err != nil {
			t.Fatal(err)
		}
		if len(q.bytes)%128 != 0 || len(q.bytes) > 384 {
			t.Errorf("%d bytes for a name of %d", len(q.bytes), len(name))
		}
	}
}

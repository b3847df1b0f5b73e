package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	wire "github.com/miekg/dns"
)

// udpSize is the largest answer that we let come by UDP: what passes everywhere
// without fragments. What is longer comes by TCP.
const udpSize = 1232

// maxStray is how many datagrams that don't belong to the question are read over.
const maxStray = 20

var errForeign = errors.New("not the answer to the question")

// reply is a server's answer to a question.
type reply struct {
	msg     *wire.Msg
	size    int
	trusted bool // its AD bit is to be believed
}

// ask goes through the servers until one gives a definite answer. If none does, the
// reply is the last that told at least why, or nil with an error.
func (c *Client) ask(ctx context.Context, name string, qtype uint16) (last *reply, err error) {
	onlyTrusted := false
	for range c.attempts {
		for _, s := range c.servers {
			if onlyTrusted && !s.trusted() {
				continue
			}
			r, err2 := c.askServer(ctx, s, name, qtype)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			// What a server that vouches for answers won't tell may be forged, or somebody keeps it from
			// telling: one that doesn't must not be asked instead.
			onlyTrusted = onlyTrusted || s.trusted()
			if err2 != nil {
				err = fmt.Errorf("%s: %w", s.Addr, err2)
				continue
			}
			if definite(r.msg) || reasonOf(r.msg) == Bogus && r.trusted {
				return r, nil
			}
			last = r
		}
	}
	if last != nil {
		return last, nil
	}
	return nil, err
}

// definite reports whether asking others makes no difference.
func definite(m *wire.Msg) bool {
	return m.Rcode == wire.RcodeSuccess || m.Rcode == wire.RcodeNameError
}

// askServer asks one server: over TLS if it is to be, else by UDP, and by TCP if the answer is too long for that.
func (c *Client) askServer(ctx context.Context, s Server, name string, qtype uint16) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	query, err := c.query(name, qtype, s.TLS != nil)
	if err != nil {
		return nil, err
	}
	var r *reply
	if s.TLS != nil {
		r, err = c.overTLS(ctx, s, query)
	} else if r, err = c.exchange(ctx, s, "udp", query); err == nil && r.msg.Truncated {
		r, err = c.exchange(ctx, s, "tcp", query)
	}
	if err == nil {
		r.trusted = s.trusted()
	}
	return r, err
}

// packed is a question and its bytes.
type packed struct {
	*wire.Msg
	bytes []byte
}

// query makes a question. The AD bit asks to be told whether the answer was
// validated (RFC 6840 §5.7): signatures themselves needn't come.
func (c *Client) query(name string, qtype uint16, pad bool) (*packed, error) {
	var id [2]byte
	if _, err := io.ReadFull(c.rand, id[:]); err != nil {
		return nil, err
	}
	q := new(wire.Msg)
	q.SetQuestion(wire.Fqdn(name), qtype)
	q.Id = binary.BigEndian.Uint16(id[:])
	q.AuthenticatedData = true
	q.SetEdns0(udpSize, false)
	if pad {
		padQuery(q)
	}
	b, err := q.Pack()
	return &packed{q, b}, err
}

// padQuery makes an encrypted question one of few sizes, which tell nothing of the name (RFC 8467 §4.1).
func padQuery(q *wire.Msg) {
	const block, option = 128, 4
	opt := q.IsEdns0()
	over := (q.Len() + option) % block
	opt.Option = append(opt.Option, &wire.EDNS0_PADDING{Padding: make([]byte, (block-over)%block)})
}

// exchange sends the question over a new connection, which with UDP means from a new, random port.
func (c *Client) exchange(ctx context.Context, s Server, network string, q *packed) (*reply, error) {
	conn, err := c.dial(ctx, network, s.Addr.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if network == "udp" {
		return overUDP(conn, q)
	}
	return overTCP(conn, q)
}

func overUDP(conn net.Conn, q *packed) (*reply, error) {
	if _, err := conn.Write(q.bytes); err != nil {
		return nil, err
	}
	b := make([]byte, 1<<16)
	for range maxStray {
		n, err := conn.Read(b)
		if err != nil {
			return nil, err
		}
		// Datagrams of others than the server, guessed or late, are read over.
		if r, err := parseReply(q.Msg, b[:n]); err == nil {
			return r, nil
		}
	}
	return nil, errForeign
}

func overTCP(conn net.Conn, q *packed) (*reply, error) {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(q.bytes)))
	if _, err := conn.Write(append(b, q.bytes...)); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(conn, b[:2]); err != nil {
		return nil, err
	}
	b = make([]byte, binary.BigEndian.Uint16(b[:2]))
	if _, err := io.ReadFull(conn, b); err != nil {
		return nil, err
	}
	return parseReply(q.Msg, b)
}

// parseReply parses what may be the answer to query. Of a truncated answer the header is enough.
func parseReply(query *wire.Msg, b []byte) (*reply, error) {
	m := new(wire.Msg)
	if err := m.Unpack(b); err != nil && !m.Truncated {
		return nil, err
	}
	if m.Id != query.Id || !m.Response || m.Opcode != wire.OpcodeQuery || !sameQuestion(m, query) {
		return nil, errForeign
	}
	return &reply{msg: m, size: len(b)}, nil
}

// sameQuestion: servers repeat the question; some leave it out when they refuse.
func sameQuestion(m, query *wire.Msg) bool {
	if len(m.Question) == 0 {
		return !definite(m)
	}
	got, want := m.Question[0], query.Question[0]
	return len(m.Question) == 1 && got.Qtype == want.Qtype && got.Qclass == want.Qclass && strings.EqualFold(got.Name, want.Name)
}

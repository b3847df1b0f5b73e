package ldap

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"postroad/internal/service/memnet"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// server is an LDAP directory in memory, as far as the tests need one (RFC 4511).
type server struct {
	t         *testing.T
	cert      *tls.Certificate // for StartTLS
	passwords map[string]string

	mu      sync.Mutex
	entries []*ldap.Entry // guarded by mu
	binds   []string      // guarded by mu: DNs that tried
	conns   []net.Conn    // guarded by mu
	down    bool          // guarded by mu
}

func (s *server) dial(context.Context, string, string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, net.ErrClosed
	}
	ours, theirs := memnet.Pipe(&net.TCPAddr{}, &net.TCPAddr{})
	s.conns = append(s.conns, theirs)
	go s.serve(theirs)
	return ours, nil
}

// cut closes all connections.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
}

func (s *server) serve(c net.Conn) {
	defer c.Close()
	bound := ""
	for {
		p, err := ber.ReadPacket(c)
		if err != nil || len(p.Children) < 2 {
			return
		}
		id, op := p.Children[0].Value.(int64), p.Children[1]
		switch op.Tag {
		case ldap.ApplicationBindRequest:
			dn, password := op.Children[1].Value.(string), op.Children[2].Data.String()
			code := s.bind(dn, password)
			if code == ldap.LDAPResultSuccess {
				bound = dn
			}
			c.Write(result(id, ldap.ApplicationBindResponse, code).Bytes())
		case ldap.ApplicationSearchRequest:
			if bound != "cn=reader,dc=x" {
				c.Write(result(id, ldap.ApplicationSearchResultDone, ldap.LDAPResultInsufficientAccessRights).Bytes())
				continue
			}
			s.search(c, id, p)
		case ldap.ApplicationExtendedRequest: // StartTLS
			c.Write(result(id, ldap.ApplicationExtendedResponse, ldap.LDAPResultSuccess).Bytes())
			t := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*s.cert}})
			if t.Handshake() != nil {
				return
			}
			c = t
		default:
			return
		}
	}
}

func (s *server) bind(dn, password string) uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.binds = append(s.binds, dn)
	if password == "" { // RFC 4513 §5.1.2: unauthenticated, and yet a success
		return ldap.LDAPResultSuccess
	}
	if want, ok := s.passwords[dn]; !ok || want != password {
		return ldap.LDAPResultInvalidCredentials
	}
	return ldap.LDAPResultSuccess
}

func message(id int64, op *ber.Packet) *ber.Packet {
	p := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	p.AppendChild(op)
	return p
}

func text(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func result(id int64, tag ber.Tag, code uint16) *ber.Packet {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), ""))
	op.AppendChild(text(""))
	op.AppendChild(text(""))
	return message(id, op)
}

// search gives pages of two entries, whatever size was asked for.
func (s *server) search(c net.Conn, id int64, p *ber.Packet) {
	op := p.Children[1]
	base := op.Children[0].Value.(string)
	scope := op.Children[1].Value.(int64)
	filter, err := ldap.DecompileFilter(op.Children[6])
	if err != nil {
		s.t.Error(err)
	}
	var paging *ldap.ControlPaging
	if len(p.Children) > 2 {
		control, err := ldap.DecodeControl(p.Children[2].Children[0])
		if err != nil {
			s.t.Error(err)
		}
		paging = control.(*ldap.ControlPaging)
	}
	var found []*ldap.Entry
	s.mu.Lock()
	for _, e := range s.entries {
		if (scope == ldap.ScopeBaseObject && e.DN == base || scope != ldap.ScopeBaseObject && strings.HasSuffix(e.DN, base)) && matches(e, filter) {
			found = append(found, e)
		}
	}
	s.mu.Unlock()
	cookie := ""
	if paging != nil {
		at := 0
		if len(paging.Cookie) > 0 {
			at = int(paging.Cookie[0])
		}
		found = found[at:]
		if len(found) > 2 {
			found, cookie = found[:2], string(rune(at+2))
		}
	}
	for _, e := range found {
		c.Write(entryPacket(id, e).Bytes())
	}
	done := result(id, ldap.ApplicationSearchResultDone, ldap.LDAPResultSuccess)
	if paging != nil {
		back := ldap.NewControlPaging(2)
		back.SetCookie([]byte(cookie))
		controls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		controls.AppendChild(back.Encode())
		done.AppendChild(controls)
	}
	c.Write(done.Bytes())
}

func entryPacket(id int64, e *ldap.Entry) *ber.Packet {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	op.AppendChild(text(e.DN))
	list := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	for _, a := range e.Attributes {
		one := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
		one.AppendChild(text(a.Name))
		values := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range a.Values {
			values.AppendChild(text(v))
		}
		one.AppendChild(values)
		list.AppendChild(one)
	}
	op.AppendChild(list)
	return message(id, op)
}

// matches understands (&...), (a=*) and (a=b), as text without escapes but for what the test needs.
func matches(e *ldap.Entry, filter string) bool {
	filter = strings.TrimSuffix(strings.TrimPrefix(filter, "("), ")")
	if rest, ok := strings.CutPrefix(filter, "&"); ok {
		for depth, start, i := 0, 0, 0; i < len(rest); i++ {
			switch rest[i] {
			case '(':
				if depth == 0 {
					start = i
				}
				depth++
			case ')':
				if depth--; depth == 0 && !matches(e, rest[start:i+1]) {
					return false
				}
			}
		}
		return true
	}
	name, want, _ := strings.Cut(filter, "=")
	values := e.GetAttributeValues(name)
	if want == "*" {
		return len(values) > 0
	}
	return slices.ContainsFunc(values, func(v string) bool { return ldap.EscapeFilter(v) == want || v == want })
}

// flood is a directory that answers a search with one entry, again and again, as long as anybody reads.
func flood(size int) func(context.Context, string, string) (net.Conn, error) {
	entry := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	entry.AppendChild(text("uid=x"))
	list := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	one := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	one.AppendChild(text("cn"))
	set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
	set.AppendChild(text(strings.Repeat("x", size)))
	one.AppendChild(set)
	list.AppendChild(one)
	entry.AppendChild(list)
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			for {
				p, err := ber.ReadPacket(theirs)
				if err != nil {
					return
				}
				id := p.Children[0].Value.(int64)
				if p.Children[1].Tag == ldap.ApplicationBindRequest {
					theirs.Write(result(id, ldap.ApplicationBindResponse, ldap.LDAPResultSuccess).Bytes())
					continue
				}
				for answer := message(id, entry).Bytes(); ; {
					if _, err := theirs.Write(answer); err != nil {
						return
					}
				}
			}
		}()
		return ours, nil
	}
}

package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"postroad/internal/fault"
	"postroad/internal/service/provision"
)

// with runs fn on a connection that may read entries: one that was kept, or, if that turns out to be dead, a new one.
func (s *Source) with(ctx context.Context, fn func(*conn) error) error {
	select {
	case c := <-s.idle:
		if err, alive := s.use(ctx, c, fn); alive {
			return err
		}
	default:
	}
	return s.withNew(ctx, fn)
}

// withNew runs fn on a new connection that may read entries.
func (s *Source) withNew(ctx context.Context, fn func(*conn) error) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	if s.o.BindDN != "" {
		err = c.Bind(s.o.BindDN, s.o.Password)
	}
	stop()
	if err != nil {
		c.Close()
		return unavailable(err)
	}
	err, _ = s.use(ctx, c, fn)
	return err
}

// use runs fn, and keeps the connection if all went well. alive says that another connection would not do better.
func (s *Source) use(ctx context.Context, c *conn, fn func(*conn) error) (err error, alive bool) {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	c.in.allow(maxAnswer)
	err = fn(c)
	if !stop() || err != nil || c.IsClosing() {
		c.Close()
		return err, ctx.Err() != nil || err == nil || answered(err)
	}
	select {
	case s.idle <- c:
	default:
		c.Close()
	}
	return nil, true
}

// answered reports whether a failure is the directory's own word, and not that of a connection that broke.
func answered(err error) bool {
	var failed *ldap.Error
	if errors.As(err, &failed) {
		return failed.ResultCode < ldap.ErrorNetwork // those above are the library's own
	}
	return !fault.Is(err, fault.Unavailable)
}

// connect tries the servers in turn.
func (s *Source) connect(ctx context.Context) (c *conn, err error) {
	for _, u := range s.o.URLs {
		if c, err = s.connectTo(ctx, u); err == nil || ctx.Err() != nil {
			return c, err
		}
	}
	return nil, err
}

func (s *Source) connectTo(ctx context.Context, at string) (*conn, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the URL can't be read")
	}
	host, port, implicit := u.Hostname(), u.Port(), u.Scheme == "ldaps"
	if port == "" {
		port = map[bool]string{true: "636", false: "389"}[implicit]
	}
	raw, err := s.o.Dial(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, unavailable(err)
	}
	config := s.tls(host)
	in := &bounded{Conn: raw}
	in.allow(maxAnswer)
	raw = in
	if implicit {
		t := tls.Client(raw, config)
		if err := t.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, unavailable(err)
		}
		raw = t
	}
	c := &conn{ldap.NewConn(raw, implicit), in}
	c.Start()
	if !implicit && !loopback(host) {
		stop := context.AfterFunc(ctx, func() { c.Close() })
		defer stop()
		if err := c.StartTLS(config); err != nil {
			c.Close()
			return nil, unavailable(err)
		}
	}
	return c, nil
}

func (s *Source) tls(host string) *tls.Config {
	config := &tls.Config{}
	if s.o.TLS != nil {
		config = s.o.TLS.Clone()
	}
	config.ServerName = host
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	return config
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback() || host == "localhost"
}

// group reads a group's entry; ok is false if it lacks a key or an address. Active Directory gives large groups in pieces (range retrieval, [MS-ADTS] §3.1.1.3.1.3.3).
func (s *Source) group(ctx context.Context, c *conn, e *ldap.Entry) (g provision.Group, ok bool) {
	a := s.o.Attributes
	g = provision.Group{Key: keyText(a.Key, e.GetRawAttributeValue(a.Key)), Ref: e.DN, Address: e.GetAttributeValue(a.Address), Name: e.GetAttributeValue(a.Name)}
	if g.Key == "" || g.Address == "" {
		return g, false
	}
	g.Members = e.GetAttributeValues(a.Member)
	for more := rangeOf(e, a.Member); more != "" && ctx.Err() == nil && len(g.Members) < maxEntriesOfGroup; {
		c.in.allow(maxPage)
		res, err := c.Search(ldap.NewSearchRequest(e.DN, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{more}, nil))
		if err != nil || len(res.Entries) != 1 {
			break
		}
		values, next := ranged(res.Entries[0], a.Member)
		g.Members = append(g.Members, values...)
		more = next
	}
	return g, true
}

// maxEntriesOfGroup bounds a group's members.
const maxEntriesOfGroup = 100_000

// rangeOf is the attribute to ask for next, if an entry has only the first values of one: "member;range=0-1499" gives "member;range=0-*".
func rangeOf(e *ldap.Entry, name string) string {
	for _, at := range e.Attributes {
		if isRange(at.Name, name) {
			return name + ";range=0-*"
		}
	}
	return ""
}

func isRange(attribute, name string) bool {
	return len(attribute) > len(name) && strings.EqualFold(attribute[:len(name)], name) && strings.HasPrefix(strings.ToLower(attribute[len(name):]), ";range=")
}

// ranged takes the values of one piece, and tells which attribute has the next; "" after the last.
func ranged(e *ldap.Entry, name string) (values []string, next string) {
	for _, at := range e.Attributes {
		if !isRange(at.Name, name) {
			continue
		}
		_, last, _ := strings.Cut(at.Name[strings.IndexByte(at.Name, '='):], "-")
		if last == "*" {
			return at.Values, ""
		}
		n, err := strconv.ParseUint(last, 10, 31)
		if err != nil {
			return at.Values, ""
		}
		return at.Values, name + ";range=" + strconv.FormatUint(n+1, 10) + "-*"
	}
	return nil, ""
}

// Package ldap is a source of accounts that lie in an LDAP directory (RFC 4511), OpenLDAP's or Active Directory.
//
// Passwords are verified by binding as the person, or, with Lookup, against the hash in the entry's userPassword. An
// empty password is never sent: a bind without one succeeds for anybody (RFC 4513 §5.1.2). Nothing is sent in the clear but to this machine.
package ldap

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/service/provision"
)

// Options say where the directory is and how its entries look. Name, URLs and Base are needed.
type Options struct {
	Name string
	// URLs are tried in turn: ldaps://host, or ldap://host, which begins TLS before anything is said, unless the host is loopback.
	URLs []string
	TLS  *tls.Config // trust; nil: the system's
	// BindDN and Password are whom the directory lets read entries; empty: nobody in particular.
	BindDN, Password string
	Base             string // where people are
	Filter           string // of people; default (mail=*)
	GroupBase        string // where groups are; default Base
	GroupFilter      string // of groups; "": none are taken
	Lookup           bool   // verify against userPassword
	Attributes       Attributes
	// Dial connects; default: the machine's network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Attributes name what entries say. Empty: the default, which suits OpenLDAP.
type Attributes struct {
	Key     string // default entryUUID; Active Directory: objectGUID
	Address string // default mail
	Name    string // default cn
	// Aliases has further addresses; values of Active Directory's proxyAddresses (smtp:ann@...) are understood. Default: none.
	Aliases string
	// Quota has a number of bytes, or one with a unit: 500M. Default: none.
	Quota string
	// Disabled, if it has the value TRUE or, for userAccountControl, the bit ACCOUNTDISABLE. Default: none.
	Disabled string
	Member   string // of groups; default member
}

// Preset is the names that a kind of directory uses: "" or "openldap", "ad".
func Preset(kind string) (a Attributes, filter, groups string, err error) {
	a = Attributes{Key: "entryUUID", Address: "mail", Name: "cn", Member: "member"}
	switch kind {
	case "", "openldap":
		return a, "(mail=*)", "", nil
	case "ad":
		a.Key, a.Name, a.Aliases, a.Disabled = "objectGUID", "displayName", "proxyAddresses", "userAccountControl"
		return a, "(&(objectCategory=person)(objectClass=user)(mail=*))", "(&(objectCategory=group)(mail=*))", nil
	}
	return a, "", "", fault.New(fault.Invalid, "a directory is of the kind openldap or ad, not %q", kind)
}

// Limits.
const (
	pageSize  = 500
	askTime   = 10 * time.Second // for a sign-in
	listTime  = 10 * time.Minute
	maxValues = 1000 // of one attribute
	spare     = 4    // connections that are kept
)

// Source implements provision.Source.
type Source struct {
	o      Options
	hashes *provision.Hashes
	idle   chan *conn // bound as BindDN, or not at all
}

var _ provision.Source = (*Source)(nil)

// New makes a Source. It connects when it is first asked. Errors: fault.Invalid.
func New(o Options) (*Source, error) {
	if o.Name == "" || len(o.Name) > directory.MaxSource || len(o.URLs) == 0 || o.Base == "" {
		return nil, fault.New(fault.Invalid, "an LDAP directory needs a name, a URL and a base")
	}
	for _, s := range o.URLs {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "ldap" && u.Scheme != "ldaps" || u.Hostname() == "" {
			return nil, fault.New(fault.Invalid, "%q is not like ldaps://ldap.example.org", s)
		}
	}
	if o.Filter == "" {
		o.Filter = "(mail=*)"
	}
	for _, f := range []string{o.Filter, o.GroupFilter} {
		if _, err := ldap.CompileFilter(f); f != "" && err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the filter "+f)
		}
	}
	if o.GroupBase == "" {
		o.GroupBase = o.Base
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	o.Attributes.complete()
	return &Source{o: o, hashes: provision.NewHashes(), idle: make(chan *conn, spare)}, nil
}

func (a *Attributes) complete() {
	standard, _, _, _ := Preset("")
	for _, x := range []struct {
		to *string
		by string
	}{{&a.Key, standard.Key}, {&a.Address, standard.Address}, {&a.Name, standard.Name}, {&a.Member, standard.Member}} {
		if *x.to == "" {
			*x.to = x.by
		}
	}
}

// Name implements provision.Source.
func (s *Source) Name() string { return s.o.Name }

// Close closes the connections that are kept.
func (s *Source) Close() {
	for {
		select {
		case c := <-s.idle:
			c.Close()
		default:
			return
		}
	}
}

// List implements provision.Source.
func (s *Source) List(ctx context.Context, entry func(provision.Entry) error, group func(provision.Group) error) error {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	return s.withNew(ctx, func(c *conn) error {
		err := s.search(ctx, c, s.o.Base, s.o.Filter, s.o.Attributes.ofPeople(), func(e *ldap.Entry) error {
			p, ok := s.person(e)
			if !ok {
				return nil
			}
			return entry(p)
		})
		if err != nil || s.o.GroupFilter == "" {
			return err
		}
		return s.search(ctx, c, s.o.GroupBase, s.o.GroupFilter, s.o.Attributes.ofGroups(), func(e *ldap.Entry) error {
			g, ok := s.group(ctx, c, e)
			if !ok {
				return nil
			}
			return group(g)
		})
	})
}

func (a Attributes) ofPeople() []string {
	return present(a.Key, a.Address, a.Name, a.Aliases, a.Quota, a.Disabled)
}

func (a Attributes) ofGroups() []string { return present(a.Key, a.Address, a.Name, a.Member) }

func present(names ...string) []string {
	var list []string
	for _, n := range names {
		if n != "" {
			list = append(list, n)
		}
	}
	return list
}

// search asks for entries in pages (RFC 2696), so that servers with a size limit give all.
func (s *Source) search(ctx context.Context, c *conn, base, filter string, attributes []string, visit func(*ldap.Entry) error) error {
	paging := ldap.NewControlPaging(pageSize)
	for {
		q := ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, int(listTime/time.Second), false, filter, attributes, []ldap.Control{paging})
		c.in.allow(maxPage)
		res, err := c.Search(q)
		if err != nil {
			return unavailable(err)
		}
		for _, e := range res.Entries {
			if err := visit(e); err != nil {
				return err
			}
		}
		next, ok := ldap.FindControl(res.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok || len(next.Cookie) == 0 {
			return ctx.Err()
		}
		paging.SetCookie(next.Cookie)
	}
}

// person reads an entry; ok is false if it lacks a key or an address.
func (s *Source) person(e *ldap.Entry) (p provision.Entry, ok bool) {
	a := s.o.Attributes
	p = provision.Entry{Key: keyText(a.Key, e.GetRawAttributeValue(a.Key)), Ref: e.DN, Address: e.GetAttributeValue(a.Address), Name: e.GetAttributeValue(a.Name)}
	if a.Aliases != "" {
		for _, v := range e.GetAttributeValues(a.Aliases) {
			if address, ok := proxyAddress(v); ok && len(p.Aliases) < maxValues {
				p.Aliases = append(p.Aliases, address)
			}
		}
	}
	if a.Quota != "" {
		p.QuotaBytes = bytesOf(e.GetAttributeValue(a.Quota))
	}
	p.Disabled = a.Disabled != "" && isDisabled(a.Disabled, e.GetAttributeValue(a.Disabled))
	return p, p.Key != "" && p.Address != ""
}

// keyText is a key as text: Active Directory's are 16 bytes.
func keyText(name string, raw []byte) string {
	if strings.EqualFold(name, "objectGUID") {
		return hex.EncodeToString(raw)
	}
	return string(raw)
}

// keyFilter finds the entry with a key.
func (s *Source) keyFilter(key string) string {
	name := s.o.Attributes.Key
	if strings.EqualFold(name, "objectGUID") {
		raw, _ := hex.DecodeString(key) // what isn't hexadecimal finds nothing
		key = string(raw)
	}
	return "(" + name + "=" + ldap.EscapeFilter(key) + ")"
}

// proxyAddress reads an address, or a value of proxyAddresses: SMTP: for the first, smtp: for others ([MS-ADA3] §2.109), and kinds that are none.
func proxyAddress(v string) (string, bool) {
	kind, address, ok := strings.Cut(v, ":")
	if !ok {
		return v, strings.Contains(v, "@")
	}
	return address, strings.EqualFold(kind, "smtp")
}

// bytesOf reads a number with an optional unit; 0 if it can't be.
func bytesOf(v string) int64 {
	v = strings.ToUpper(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSpace(v), "B"), "b"))
	factor := int64(1)
	if i := strings.IndexAny(v, "KMGT"); i >= 0 && i == len(v)-1 {
		factor = 1 << (10 * (1 + strings.IndexByte("KMGT", v[i])))
		v = v[:i]
	}
	n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
	if err != nil || n < 0 || n > 1<<62/factor {
		return 0
	}
	return n * factor
}

// accountDisable is userAccountControl's ACCOUNTDISABLE ([MS-ADTS] §2.2.16).
const accountDisable = 2

func isDisabled(name, value string) bool {
	if strings.EqualFold(name, "userAccountControl") {
		n, err := strconv.ParseInt(value, 10, 64)
		return err == nil && n&accountDisable != 0
	}
	return strings.EqualFold(value, "TRUE")
}

// unavailable is what a failure means to whoever asked.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return fault.Wrap(fault.Unavailable, err, "the LDAP directory can't be asked")
}

// Verify implements provision.Source.
func (s *Source) Verify(ctx context.Context, l directory.Link, password string) (bool, error) {
	if password == "" {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var right bool
	err := s.with(ctx, func(c *conn) error {
		e, err := s.find(c, l.Key)
		if err != nil || e == nil {
			return err
		}
		if s.o.Attributes.Disabled != "" && isDisabled(s.o.Attributes.Disabled, e.GetAttributeValue(s.o.Attributes.Disabled)) {
			return nil
		}
		if s.o.Lookup {
			right, err = s.fits(ctx, e.GetAttributeValues("userPassword"), password)
			return err
		}
		right, err = s.bindAs(ctx, e.DN, password)
		return err
	})
	return right, err
}

// Pretend implements provision.Source: it asks for an entry that isn't there, and binds as nobody.
func (s *Source) Pretend(ctx context.Context, password string) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return s.with(ctx, func(c *conn) error {
		if _, err := s.find(c, "00000000000000000000000000000000"); err != nil || s.o.Lookup {
			return err
		}
		_, err := s.bindAs(ctx, "cn=nobody of this name,"+s.o.Base, password+" ")
		return err
	})
}

// find looks an entry up by its key; nil if it is gone, or is no person any more.
func (s *Source) find(c *conn, key string) (*ldap.Entry, error) {
	attributes := present(s.o.Attributes.Key, s.o.Attributes.Disabled)
	if s.o.Lookup {
		attributes = append(attributes, "userPassword")
	}
	filter := "(&" + s.o.Filter + s.keyFilter(key) + ")"
	res, err := c.Search(ldap.NewSearchRequest(s.o.Base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, int(askTime/time.Second), false, filter, attributes, nil))
	if err != nil {
		return nil, unavailable(err)
	}
	if len(res.Entries) != 1 {
		return nil, nil
	}
	return res.Entries[0], nil
}

// fits reports whether a password fits one of some hashes. One that can't be read is no reason to fail while another fits.
func (s *Source) fits(ctx context.Context, hashes []string, password string) (right bool, err error) {
	for _, h := range hashes[:min(len(hashes), 10)] {
		ok, failed := s.hashes.Verify(ctx, h, password)
		if ok {
			return true, nil
		}
		if failed != nil {
			err = failed
		}
	}
	return false, err
}

// bindAs reports whether a password is that of a DN. The connection is used for nothing else.
func (s *Source) bindAs(ctx context.Context, dn, password string) (bool, error) {
	c, err := s.connect(ctx)
	if err != nil {
		return false, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	err = c.Bind(dn, password)
	switch {
	case err == nil:
		return true, nil
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInappropriateAuthentication,
		ldap.LDAPResultConstraintViolation, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultInvalidDNSyntax):
		return false, nil // wrong, or locked by the directory's own policy
	}
	return false, unavailable(err)
}

package imap

import (
	"context"
	"crypto/tls"
	"net"
	"strings"

	"postroad/internal/model/ident"
)

// maxURLs is how many URLs one command may name.
const maxURLs = 1000

// resetKey is RESETKEY: RFC 4467 §7. URLs that were authorised by a key die with it.
func (s *session) resetKey(ctx context.Context) (reply, error) {
	if s.dec.atEnd() {
		s.resetsKeys(nil)
		return reply{text: "all keys removed"}, s.dropURLKeys(ctx)
	}
	s.dec.sp()
	path := s.mailboxName()
	known := true
	for s.dec.ok() && s.dec.trySP() {
		known = strings.EqualFold(string(s.dec.atom()), urlMechanism) && known
	}
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	if !known {
		return reply{}, no("CANNOT", "no such mechanism")
	}
	f, err := s.folder(ctx, path)
	if err != nil {
		return reply{}, err
	}
	s.resetsKeys(&f)
	_, err = s.makeURLKey(ctx, &f, true)
	return reply{"URLMECH " + urlMechanism, "a new key is made"}, err
}

// genURLAuth is GENURLAUTH: RFC 4467 §7.
func (s *session) genURLAuth(ctx context.Context) (reply, error) {
	var urls []string
	var mechanisms []string
	for s.dec.ok() && (len(urls) == 0 || !s.dec.atEnd()) {
		s.dec.sp()
		urls = append(urls, string(s.dec.astring()))
		s.dec.sp()
		mechanisms = append(mechanisms, string(s.dec.atom()))
	}
	switch err := s.dec.end(); {
	case err != nil:
		return reply{}, err
	case len(urls) > maxURLs:
		return reply{}, no("LIMIT", "too many URLs")
	}
	b := []byte("* GENURLAUTH")
	for i, raw := range urls {
		if !strings.EqualFold(mechanisms[i], urlMechanism) {
			return reply{}, bad("no such mechanism")
		}
		signed, err := s.authorise(ctx, raw)
		if err != nil {
			return reply{}, err
		}
		b = appendQuoted(append(b, ' '), signed)
	}
	s.out.set(append(append(s.out.buf(), b...), crlf...))
	return reply{text: "authorised"}, nil
}

// authorise makes an authorised URL. RFC 4467 §7 wants BAD for whatever is wrong with one.
func (s *session) authorise(ctx context.Context, raw string) (string, error) {
	u, ok := parseAbsoluteURL(raw)
	switch {
	case !ok:
		return "", bad("that is not the URL of a message or a part of one")
	case !u.authorised:
		return "", bad("the URL lacks an access identifier")
	case u.token != "":
		return "", bad("the URL has a token already")
	case u.user == "":
		return "", bad("the URL lacks the name of its user")
	case !s.srv.isCalled(ctx, s.who, u.user):
		return "", bad("you can authorise URLs of your own only")
	case !s.reached(u.host):
		return "", bad("that is another server")
	}
	f, err := s.folder(ctx, u.message.path)
	if err != nil {
		return "", bad("no such mailbox")
	}
	key, err := s.makeURLKey(ctx, &f, false)
	if err != nil {
		return "", err
	}
	return u.rump + ":" + strings.ToLower(urlMechanism) + ":" + urlToken(key, u.rump), nil
}

// reached reports whether a URL's server is this one, as far as the client can know: by our own name or the client's mail domain, by the
// name that it asked for when TLS began, or by the address that it connected to.
func (s *session) reached(host string) bool {
	if s.srv.isHost(host, s.who) {
		return true
	}
	name := bareHost(host)
	if c, ok := s.conn.(interface{ ConnectionState() tls.ConnectionState }); ok && strings.EqualFold(name, c.ConnectionState().ServerName) {
		return true
	}
	local, _, err := net.SplitHostPort(s.raw.LocalAddr().String())
	return err == nil && name == local
}

// isHost reports whether a URL's server is called as this one is, or as the mail domain of who uses it.
func (s *Server) isHost(host string, who ident.Identity) bool {
	_, domain, _ := strings.Cut(who.Login, "@")
	name := bareHost(host)
	return strings.EqualFold(name, s.hostname) || strings.EqualFold(name, domain)
}

// bareHost takes the port off a host, and brackets.
func bareHost(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

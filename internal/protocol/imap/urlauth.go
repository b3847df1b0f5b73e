package imap

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// Authorised URLs (RFC 4467): "imap://" user "@" host "/" what "[;EXPIRE=" when] ";URLAUTH=" access ":INTERNAL:" token. Whoever
// may use one by its access identifier gets what its user may read. The token is made of all that stands before it, with a
// secret of the user for that mailbox: without the secret nobody can make or change such a URL.

// absoluteURL is an IMAP URL of a message or a part of one, with the server and who reads there (RFC 5092 §3, §6).
type absoluteURL struct {
	user, host string // decoded, the user an address; the host may have a port
	message    messageURL
	authorised bool      // it has URLAUTH, so what follows means something
	expires    time.Time // zero: never
	access     access
	rump       string // the URL as it came, up to the access identifier: what the token is made of
	mechanism  string // empty with token: the URL is to get a token
	token      string
}

// access is an access identifier: who may use a URL (RFC 4467 §3).
type access struct {
	kind accessKind
	user string // of submitAccess and userAccess
}

type accessKind uint8

const (
	submitAccess    accessKind = iota // our submission server, on behalf of the user
	userAccess                        // the user
	authuserAccess                    // everybody who has signed in by name
	anonymousAccess                   // everybody who has signed in
)

// parseAbsoluteURL reads authimapurlfull, authimapurlrump (RFC 4467 §9) or an imapurl of a message (RFC 5092 §11) with or
// without a user.
func parseAbsoluteURL(s string) (u absoluteURL, ok bool) {
	const scheme = "imap://"
	if len(s) > maxURL || !isASCII([]byte(s)) || !strings.EqualFold(s[:min(len(s), len(scheme))], scheme) {
		return u, false
	}
	rest := s[len(scheme):]
	if i := lastFold(rest, ";URLAUTH="); i >= 0 {
		after := rest[i+len(";URLAUTH="):]
		if rest, ok = u.authorisation(rest[:i], after); !ok {
			return u, false
		}
		who, _, _ := strings.Cut(after, ":")
		u.rump = s[:len(s)-len(after)+len(who)]
	}
	authority, path, found := strings.Cut(rest, "/")
	if !found {
		return u, false
	}
	user, host := "", authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 { // one that belongs to the user should be a %40
		user, host = authority[:at], authority[at+1:]
	}
	user, _, _ = cutFold(user, ";AUTH=")
	var err error
	if u.user, err = url.PathUnescape(user); err != nil || host == "" {
		return u, false
	}
	if u.host = host; u.user != "" && !strings.Contains(u.user, "@") {
		u.user += "@" + bareHost(host) // as many programs write it: imap://ann@example.org/
	}
	u.message, ok = parseMessageURL(path)
	return u, ok && u.message.path != ""
}

// authorisation reads what stands around ";URLAUTH=", and returns what is left in front of it.
func (u *absoluteURL) authorisation(before, after string) (left string, ok bool) {
	u.authorised = true
	who, token, signed := strings.Cut(after, ":")
	if u.access, ok = parseAccess(who); !ok {
		return "", false
	}
	if signed {
		u.mechanism, u.token, ok = strings.Cut(token, ":")
		if !ok || len(u.token) < 32 || u.mechanism == "" {
			return "", false
		}
	}
	if i := lastFold(before, ";EXPIRE="); i >= 0 {
		at, err := time.Parse(time.RFC3339, strings.ToUpper(before[i+len(";EXPIRE="):]))
		if err != nil {
			return "", false
		}
		u.expires, before = at, before[:i]
	}
	return before, true
}

// parseAccess reads an access identifier.
func parseAccess(s string) (a access, ok bool) {
	switch lower := strings.ToLower(s); {
	case lower == "authuser":
		return access{kind: authuserAccess}, true
	case lower == "anonymous":
		return access{kind: anonymousAccess}, true
	case strings.HasPrefix(lower, "submit+"):
		s = s[len("submit+"):]
	case strings.HasPrefix(lower, "user+"):
		a.kind, s = userAccess, s[len("user+"):]
	default:
		return a, false
	}
	user, err := url.PathUnescape(s)
	a.user = user
	return a, err == nil && user != ""
}

// lastFold is strings.LastIndex of ASCII, in any case; sep is in capitals.
func lastFold(s, sep string) int { return strings.LastIndex(strings.ToUpper(s), sep) }

// urlReader is who wants what a URL leads to.
type urlReader struct {
	who        ident.Identity
	submission bool // it is our submission server that asks, for who
}

// allows reports whether an access identifier lets r in.
func (a *access) allows(ctx context.Context, srv *Server, r urlReader) bool {
	switch a.kind {
	case submitAccess:
		return r.submission && srv.isCalled(ctx, r.who, a.user)
	case userAccess:
		return srv.isCalled(ctx, r.who, a.user)
	case authuserAccess:
		return r.who.Account != 0
	}
	return true
}

// isCalled reports whether a name, in any spelling, is somebody's.
func (s *Server) isCalled(ctx context.Context, who ident.Identity, name string) bool {
	if strings.EqualFold(name, who.Login) {
		return true
	}
	other, err := s.auth.Identify(ctx, name)
	return err == nil && other.Account == who.Account
}

// Tokens say by which algorithm they are made (RFC 4467 §2.4.1): these by HMAC-SHA-256.
const tokenVersion = "01"

// urlMechanism is the one authorisation mechanism that we have (RFC 4467 §2.4.1).
const urlMechanism = "INTERNAL"

// urlToken makes the token of a URL that ends with its access identifier.
func urlToken(key []byte, rump string) string {
	h := hmac.New(sha256.New, key)
	io.WriteString(h, rump) //nolint:errcheck // a hash never fails
	return tokenVersion + hex.EncodeToString(h.Sum(nil))
}

// Mailbox access keys (RFC 4467 §2.2) are properties of the account of whose user they are, so nobody else's session can
// see or change them: one for each mailbox.
const (
	urlKeyPrefix = "imap.urlauth."
	urlKeySize   = 32   // bytes
	maxURLKeys   = 2000 // of one user
)

func urlKeyName(f *box) string {
	return fmt.Sprintf("%s%d.%d", urlKeyPrefix, f.mail.Account(), f.ID)
}

// urlKey returns the session's user's key for a mailbox; nil if there is none.
func (s *session) urlKey(ctx context.Context, f *box) ([]byte, error) {
	props, err := s.mail.Props(ctx)
	return props[urlKeyName(f)], err
}

// makeURLKey makes a key for a mailbox, if there is none or fresh says so, and returns the key that there is then. Keys of
// mailboxes that are gone are forgotten on the way: their numbers never come again.
func (s *session) makeURLKey(ctx context.Context, f *box, fresh bool) (key []byte, err error) {
	err = s.mail.UpdateProps(ctx, func(now map[string][]byte) (map[string][]byte, error) {
		if key = now[urlKeyName(f)]; key != nil && !fresh {
			return nil, nil
		}
		patch, kept := s.staleURLKeys(now)
		if key == nil && kept >= maxURLKeys {
			return nil, no("LIMIT", "there are keys for too many mailboxes: RESETKEY removes them")
		}
		key = make([]byte, urlKeySize)
		if _, err := io.ReadFull(s.srv.rand, key); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "no randomness")
		}
		patch[urlKeyName(f)] = key
		return patch, nil
	})
	return key, err
}

// staleURLKeys is the patch that removes keys of the user's own mailboxes that are gone, and how many keys there are besides.
func (s *session) staleURLKeys(props map[string][]byte) (patch map[string][]byte, kept int) {
	patch = map[string][]byte{}
	own := fmt.Sprintf("%s%d.", urlKeyPrefix, s.mail.Account())
	for name := range props {
		if !strings.HasPrefix(name, urlKeyPrefix) {
			continue
		}
		kept++
		if id, ok := strings.CutPrefix(name, own); ok {
			n, _ := strconv.ParseUint(id, 10, 64)
			if _, err := s.mail.Folder(mailbox.FolderID(n)); fault.Is(err, fault.NotFound) {
				patch[name] = nil
				kept--
			}
		}
	}
	return patch, kept
}

// dropURLKeys removes all keys of the user.
func (s *session) dropURLKeys(ctx context.Context) error {
	return s.mail.UpdateProps(ctx, func(now map[string][]byte) (map[string][]byte, error) {
		patch := map[string][]byte{}
		for name := range now {
			if strings.HasPrefix(name, urlKeyPrefix) {
				patch[name] = nil
			}
		}
		return patch, nil
	})
}

// visit acts on a user's mailboxes without a connection. The caller must call done.
func (s *Server) visit(ctx context.Context, who ident.Identity) (v *session, done func(), err error) {
	mail, err := s.store.Open(ctx, who.Account, who)
	if err != nil {
		return nil, nil, err
	}
	v = &session{srv: s, lim: &s.lim, log: s.log, who: who, mail: mail}
	return v, v.leave, nil
}

// leave ends a visit.
func (s *session) leave() {
	s.leaveGuests()
	s.mail.Close()
}

// errURLRefused is all that is said of a URL that lets nobody in, whatever the reason.
var errURLRefused = fault.New(fault.Denied, "that URL gives no right to anything")

// validate checks that an authorised URL is good for r, and returns the mailbox that it names as its user sees it. Without an
// error the caller must call done. It fails by errURLRefused, or because something can't be done now. Where there is no key,
// another takes its place, so that a refusal takes its time (RFC 4467 §6).
func (s *Server) validate(ctx context.Context, u *absoluteURL, r urlReader) (f box, done func(), err error) {
	key := make([]byte, urlKeySize)
	f, done, found, err := s.signer(ctx, u)
	if err == nil && found != nil {
		key = found
	}
	right := subtle.ConstantTimeCompare([]byte(urlToken(key, u.rump)), []byte(strings.ToLower(u.token))) == 1
	if err == nil && (found == nil || !right || !strings.EqualFold(u.mechanism, urlMechanism) || u.expired(s.now()) || !u.access.allows(ctx, s, r)) {
		err = errURLRefused
	}
	if err != nil {
		if done != nil {
			done()
		}
		if k := fault.KindOf(err); k == fault.NotFound || k == fault.Invalid || isRefusal(err) {
			err = errURLRefused
		}
		return f, nil, err
	}
	return f, done, nil
}

// signer opens the mailboxes of a URL's user, and finds the mailbox that it names and the user's key for it.
func (s *Server) signer(ctx context.Context, u *absoluteURL) (f box, done func(), key []byte, err error) {
	if u.user == "" || !u.authorised {
		return f, nil, nil, errURLRefused
	}
	who, err := s.auth.Identify(ctx, u.user)
	if err != nil {
		return f, nil, nil, err
	}
	v, done, err := s.visit(ctx, who)
	if err != nil {
		return f, nil, nil, err
	}
	if f, err = v.folder(ctx, u.message.path); err == nil {
		key, err = v.urlKey(ctx, &f)
	}
	return f, done, key, err
}

func (u *absoluteURL) expired(now time.Time) bool { return !u.expires.IsZero() && now.After(u.expires) }

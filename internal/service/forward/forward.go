// Package forward makes the reverse-paths of mail that strangers send to people here and that goes on to
// other servers: by the sender's own domain the next host could not know that we may send it (SPF), so it goes on
// in the name of a domain of ours, from which notifications find back to the sender (SRS, the Sender Rewriting Scheme).
//
//	ann@far.example        ->  SRS0=hhhhhhhh=tt=far.example=ann@ours.example
//	SRS0=...@other.example ->  SRS1=hhhhhhhh=other.example==...@ours.example
//
// Nothing is stored: the address itself says where to go back to, until when, and proves by a keyed hash
// that we made it. So nobody uses us as a relay by making such addresses up.
//
// A reverse-path may also be made so that it leads nowhere (Mute): who forges a sender must not have us
// write to them.
//
// There is no RFC: the forms are those of the SRS paper (Shevek, "The Sender Rewriting Scheme", 2004), from memory of it.
package forward

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"
	"unicode"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
)

// Lifetime is how long a rewritten reverse-path is good for: longer than any queue keeps mail.
const Lifetime = 21 * 24 * time.Hour

// Rewriter rewrites reverse-paths. It is immutable, and safe for concurrent use.
type Rewriter struct {
	secret []byte
	now    func() time.Time
}

// New makes a Rewriter. Whoever knows the secret can send mail through us.
func New(secret []byte, now func() time.Time) *Rewriter { return &Rewriter{secret, now} }

// Voice says whether a rewritten reverse-path leads back to the sender.
type Voice byte

// Voices.
const (
	// Told: notifications go back to the sender.
	Told Voice = 't'
	// Mute: they come back to us, and end here.
	Mute Voice = 'm'
)

// The two forms. What stands behind the hash of the second is the first's, as the host that made it wrote it.
const (
	first  = "SRS0="
	second = "SRS1="
)

// Path is the reverse-path under which mail of from goes on in the name of domain, one of ours. The null path stays
// what it is. fault.Invalid: from is no address.
func (r *Rewriter) Path(from, domain string, v Voice) (string, error) {
	if from == "" {
		return "", nil
	}
	a, ok := split(from)
	if !ok {
		return "", fault.New(fault.Invalid, "not an address")
	}
	local := ""
	switch {
	case rewritten(a.Local, "SRS1"):
		if host, rest, ok := cutSecond(a.Local); ok { // the host that was first stays it
			local = r.second(host, rest, v)
		}
	case rewritten(a.Local, "SRS0"):
		local = r.second(a.Domain, a.Local[len("SRS0"):], v)
	}
	if local == "" {
		local = r.first(a, v)
	}
	return directory.Address{Local: local, Domain: domain}.String(), nil
}

// cutSecond takes "SRS1=hash=host=rest" apart.
func cutSecond(local string) (host, rest string, ok bool) {
	_, rest, _ = strings.Cut(local[len(second):], "=")
	host, rest, ok = strings.Cut(rest, "=")
	return host, rest, ok && host != "" && len(rest) > 1 && strings.IndexByte("=+-", rest[0]) >= 0
}

// rewritten reports whether somebody has rewritten a local part already; others may separate by + or - at first.
func rewritten(local, form string) bool {
	return len(local) > len(form)+1 && strings.EqualFold(local[:len(form)], form) && strings.IndexByte("=+-", local[len(form)]) >= 0
}

func (r *Rewriter) first(a directory.Address, v Voice) string {
	day := stamp(r.now())
	return first + r.hash(v, first, day, a.Domain, a.Local) + "=" + day + "=" + a.Domain + "=" + a.Local
}

func (r *Rewriter) second(host, rest string, v Voice) string {
	return second + r.hash(v, second, host, rest) + "=" + host + "=" + rest
}

// split cuts an address as SMTP writes it. Local parts of others' rewritten paths are often longer than they may be (RFC
// 5321 §4.5.3.1.1), and so may ours be.
func split(address string) (directory.Address, bool) {
	at := strings.LastIndexByte(address, '@')
	if at <= 0 || at == len(address)-1 || len(address) > maxPath || strings.ContainsFunc(address, unicode.IsControl) || strings.Contains(address[at:], "=") {
		return directory.Address{}, false
	}
	a := directory.Address{Local: address[:at], Domain: strings.ToLower(address[at+1:])}
	if len(a.Local) > 1 && a.Local[0] == '"' && a.Local[len(a.Local)-1] == '"' {
		a.Local = unquote(a.Local[1 : len(a.Local)-1])
	}
	return a, a.Local != ""
}

// maxPath is far more than a path may have (RFC 5321 §4.5.3.1.3: 256 octets).
const maxPath = 1024

func unquote(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Is reports whether an address has one of the forms: if so, and if its domain is ours, it is nothing but a rewritten reverse-path.
func Is(address string) bool {
	if a, ok := quick(address); ok {
		return is(a)
	}
	return false
}

// quick is the local part of what may be a rewritten path; most addresses aren't, at first sight.
func quick(address string) (string, bool) {
	if len(address) < len(first)+2 || address[0]|0x20 != 's' && address[0] != '"' {
		return "", false
	}
	a, ok := split(address)
	return a.Local, ok
}

func is(local string) bool {
	return len(local) > len(first) && (strings.EqualFold(local[:len(first)], first) || strings.EqualFold(local[:len(second)], second))
}

// Back is where notifications for a reverse-path of ours go, and whether they go there (Told) or end here (Mute).
// fault.NotFound: we didn't make it, or too long ago.
func (r *Rewriter) Back(address string) (to string, v Voice, err error) {
	none := fault.New(fault.NotFound, "no such reverse-path")
	local, ok := quick(address)
	if !ok || !is(local) {
		return "", 0, none
	}
	form := strings.ToUpper(local[:len(first)])
	hash, rest, _ := strings.Cut(local[len(first):], "=")
	if form == second {
		host, path, ok := strings.Cut(rest, "=")
		v = r.verify(hash, second, host, path)
		if !ok || v == 0 {
			return "", 0, none
		}
		return directory.Address{Local: "SRS0" + path, Domain: host}.String(), v, nil
	}
	parts := strings.SplitN(rest, "=", 3)
	if len(parts) != 3 {
		return "", 0, none
	}
	v = r.verify(hash, first, strings.ToUpper(parts[0]), parts[1], parts[2])
	if v == 0 || !r.fresh(parts[0]) {
		return "", 0, none
	}
	return directory.Address{Local: parts[2], Domain: parts[1]}.String(), v, nil
}

// alphabet has no letters in two cases: local parts may lose their case on the way.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// hash is 40 bits of the keyed hash of what is written, in eight characters. Case doesn't count.
func (r *Rewriter) hash(v Voice, parts ...string) string {
	m := hmac.New(sha256.New, r.secret)
	m.Write([]byte{byte(v)})
	for _, p := range parts {
		m.Write([]byte{0})
		m.Write([]byte(strings.ToLower(p)))
	}
	return base32.NewEncoding(alphabet).EncodeToString(m.Sum(nil)[:5])
}

// verify finds the voice with which a hash was made; 0: none.
func (r *Rewriter) verify(hash string, parts ...string) Voice {
	given := []byte(strings.ToUpper(hash))
	for _, v := range []Voice{Told, Mute} {
		if hmac.Equal(given, []byte(r.hash(v, parts...))) {
			return v
		}
	}
	return 0
}

// days is how many a stamp can tell apart.
const days = 1 << 10

func dayOf(t time.Time) int { return int(t.Unix() / 86400 % days) }

// stamp is the day in two characters.
func stamp(t time.Time) string {
	d := dayOf(t)
	return string([]byte{alphabet[d>>5], alphabet[d&31]})
}

// fresh reports whether a stamp is not older than Lifetime; one of tomorrow is another clock's.
func (r *Rewriter) fresh(s string) bool {
	if len(s) != 2 {
		return false
	}
	s = strings.ToUpper(s)
	hi, lo := strings.IndexByte(alphabet, s[0]), strings.IndexByte(alphabet, s[1])
	if hi < 0 || lo < 0 {
		return false
	}
	age := (dayOf(r.now()) - (hi<<5 | lo) + days) % days
	return age <= int(Lifetime/(24*time.Hour)) || age == days-1
}

package signs

import (
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"postroad/internal/format/confusable"
)

// Registered is the part of a host, in lower case and A-labels, that somebody has registered: "example.co.uk" of "www.example.co.uk". What
// has none is its own.
func Registered(host string) string { return registered(host) }

// registered is the part of a host that somebody has registered: "example.co.uk" of "www.example.co.uk". What has none is its own.
func registered(host string) string {
	if d, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return d
	}
	return host
}

// site is a host with what is asked of it again and again.
type site struct {
	host, registered string
	look             string // of the registered domain's name: its skeleton
}

func siteOf(host string) site {
	r := registered(host)
	return site{host, r, confusable.Skeleton(shown(label(r)))}
}

// label is the first label of a registered domain: its name.
func label(domain string) string {
	l, _, _ := strings.Cut(domain, ".")
	return l
}

// shown is a host as people see it.
func shown(host string) string {
	if !strings.Contains(host, "xn--") {
		return host
	}
	u, err := idna.Punycode.ToUnicode(host)
	if err != nil {
		return host
	}
	return u
}

// ascii is a host in A-labels; as it is if it has none.
func ascii(host string) string {
	for i := range len(host) {
		if host[i] >= 0x80 {
			if a, err := idna.Punycode.ToASCII(host); err == nil {
				return a
			}
			return host
		}
	}
	return host
}

// tricky says how bad a host's letters are: 0 if they are of one script each that doesn't imitate Latin ones.
func tricky(host string) Severity {
	u := shown(host)
	if u == host {
		return 0
	}
	worst := Severity(0)
	for l := range strings.SplitSeq(u, ".") {
		switch {
		case confusable.Mixed(l):
			return Danger
		case confusable.Imitates(l):
			worst = Warning
		}
	}
	return worst
}

// hostLike reports whether a text is a host's name with a top-level domain that there is: what people take for one.
func hostLike(s string) bool {
	dot := strings.LastIndexByte(s, '.')
	if dot <= 0 || dot == len(s)-1 || len(s) > 253 {
		return false
	}
	for l := range strings.SplitSeq(s, ".") {
		if l == "" || len(l) > 63 || l[0] == '-' {
			return false
		}
		for i := range len(l) {
			if c := l[i]; !letterOrDigit(c) && c != '-' && c < 0x80 {
				return false
			}
		}
	}
	suffix, icann := publicsuffix.PublicSuffix(ascii(lower(s)))
	return (icann || strings.Contains(suffix, ".")) && len(suffix) < len(s)
}

func letterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// number is the IP address that browsers make of a host: also of one in octal, hexadecimal, or with fewer numbers. ok is false for names.
func number(host string) (a netip.Addr, ok bool) {
	if h, found := strings.CutPrefix(host, "["); found {
		a, err := netip.ParseAddr(strings.TrimSuffix(h, "]"))
		return a, err == nil
	}
	if last := host[strings.LastIndexByte(host, '.')+1:]; last == "" || last[0] < '0' || last[0] > '9' {
		return a, false
	}
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return a, false
	}
	var v uint64
	for i, p := range parts {
		if p == "" {
			return a, false
		}
		n, err := strconv.ParseUint(p, 0, 32)
		if err != nil {
			if n, err = strconv.ParseUint(p, 10, 32); err != nil {
				return a, false
			}
		}
		if i == len(parts)-1 {
			v |= n
		} else {
			v |= (n & 0xff) << (24 - 8*i)
		}
	}
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), true
}

// private reports whether an address is of a network inside a house.
func private(a netip.Addr) bool { return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() }

package features

import (
	"bytes"
	"net/netip"
	"strings"
)

// known adds what is known apart from the message.
func (x *extraction) known(f *Facts) {
	for _, r := range [...]struct{ name, result string }{{"SPF", f.SPF}, {"DKIM", f.DKIM}, {"DMARC", f.DMARC}, {"ARC", f.ARC}} {
		if r.result != "" {
			x.add2String(Auth, r.name, []byte(r.result))
		}
	}
	if f.DMARC != "" || f.SPF != "" || f.DKIM != "" {
		if f.Proven != "" {
			x.addString(Auth, "author's domain is proven")
			x.host(Proven, Proven, []byte(f.Proven))
		} else {
			x.addString(Auth, "author's domain isn't proven")
		}
	}
	for _, s := range f.Signs {
		x.addString(Sign, s)
	}
}

// client adds where the client is, and how it calls itself.
func (x *extraction) client(f *Facts) {
	if !f.Client.IsValid() {
		return
	}
	bits := [2]int{24, 16}
	if f.Client.Is6() {
		bits = [2]int{48, 32}
	}
	for _, n := range bits {
		p := netip.PrefixFrom(f.Client, n).Masked()
		x.buf = p.AppendTo(x.buf[:0])
		x.add(Network, x.buf)
	}
	x.greeting([]byte(f.Helo), []byte(f.Host))
	switch {
	case f.Host == "":
		x.addString(Client, "without a name")
	case dialup(f.Host, f.Client):
		x.addString(Client, "like somebody's home")
	}
}

// greeting adds how the client's names go together.
func (x *extraction) greeting(helo, host []byte) {
	switch {
	case len(helo) == 0:
		return
	case numeric(helo):
		x.addString(Client, "an address")
	case bytes.IndexByte(helo, '.') < 0:
		x.addString(Client, "not a domain")
	default:
		if len(host) > 0 {
			x.same(Client, "its own name", host, helo)
		}
		x.add(Client, domainIn(helo))
	}
}

// dialup reports whether a name in the DNS looks as providers give them to customers' lines.
func dialup(host string, a netip.Addr) bool {
	for _, s := range [...]string{"dyn", "dsl", "pool", "dhcp", "cable", "ppp", "broadband", "dial", "client", "cust", "home"} {
		if strings.Contains(host, s) {
			return true
		}
	}
	if !a.Is4() {
		return false
	}
	b := a.As4()
	n := 0
	for label := range strings.FieldsFuncSeq(host, func(r rune) bool { return r < '0' || r > '9' }) {
		for _, octet := range b {
			if label == itoa(octet) {
				n++
				break
			}
		}
	}
	return n >= 3
}

func itoa(b byte) string {
	const digits = "0123456789"
	switch {
	case b < 10:
		return digits[b : b+1]
	case b < 100:
		return digits[b/10:b/10+1] + digits[b%10:b%10+1]
	}
	return digits[b/100:b/100+1] + digits[b/10%10:b/10%10+1] + digits[b%10:b%10+1]
}

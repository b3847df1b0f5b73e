package setup

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"postroad/internal/format/tlsrpt"
	"postroad/internal/service/mtasts"
)

// Records says what to publish, the most needed first.
func Records(f Facts) []Record {
	l := list{f: &f}
	l.host()
	l.mx()
	l.spf()
	l.dkim()
	l.dmarc()
	l.sts()
	l.tlsReports()
	l.services()
	l.autoconfig()
	l.tlsa()
	l.reverse()
	return l.all
}

// list gathers records.
type list struct {
	f   *Facts
	all []Record
}

// add takes one more. The name has no final dot.
func (l *list) add(need Need, name, typ, value, why string, args ...any) {
	r := Record{Name: name + ".", Type: typ, Value: value, Need: need, Why: fmt.Sprintf(why, args...), Elsewhere: !l.f.within(name)}
	if typ == "TXT" {
		r.Strings = split(value)
	}
	l.all = append(l.all, r)
}

// host gives the server its addresses.
func (l *list) host() {
	for _, a := range l.f.Addrs {
		l.add(Needed, l.f.Hostname, addressType(a), a.String(), "The address of this server.")
	}
}

func addressType(a netip.Addr) string {
	if a.Is4() {
		return "A"
	}
	return "AAAA"
}

func (l *list) mx() {
	l.add(Needed, l.f.Domain, "MX", "10 "+l.f.Hostname+".", "Mail for %s goes to this server.", l.f.Domain)
}

// spf lets this server send. ~all rather than -all: mail that others forward fails SPF by its nature, and is to be
// judged by its signature and DMARC, not refused before anybody has looked at these (RFC 7489 §10.1).
func (l *list) spf() {
	terms := []string{"v=spf1", "mx"}
	for _, a := range l.f.Sources {
		if !slices.Contains(l.f.Addrs, a) {
			terms = append(terms, spfTerm(a))
		}
	}
	more := ""
	if l.f.SmartHost != "" {
		more = " Mail leaves through " + l.f.SmartHost + ": add before ~all what they ask for, mostly an include."
	}
	l.add(Needed, l.f.Domain, "TXT", strings.Join(append(terms, "~all"), " "),
		"Says which servers send mail of %s (SPF): those that also take it. Others are suspect, and are left to DMARC. "+
			"If the domain has such a record already, add to it: there must be only one.%s", l.f.Domain, more)
	if l.f.Hostname != l.f.Domain {
		l.add(Recommended, l.f.Hostname, "TXT", "v=spf1 a -all",
			"The same for the server's own name, which stands for notifications, since they have no sender.")
	}
}

func spfTerm(a netip.Addr) string {
	if a.Is4() {
		return "ip4:" + a.String()
	}
	return "ip6:" + a.String()
}

func (l *list) dkim() {
	why := map[KeyState]string{
		Active:  "The key that signatures (DKIM) of outgoing mail are checked with.",
		Pending: "The next key for signatures (DKIM): publish it now, so that everybody has it when it is first used.",
		Retired: "An old key for signatures (DKIM): leave it there until it is no longer in this list, since mail that it signed may be on its way.",
	}
	for _, k := range l.f.Keys {
		l.add(Needed, k.name(l.f.Domain), "TXT", k.Record, "%s", why[k.State])
	}
}

// dmarc begins with p=none: whoever has other senders (a shop, a newsletter) finds them in the reports before their mail is lost.
func (l *list) dmarc() {
	value := "v=DMARC1; p=none"
	if l.f.DMARCReports != "" {
		value += "; rua=mailto:" + l.f.DMARCReports
	}
	l.add(Recommended, "_dmarc."+l.f.Domain, "TXT", value,
		"Asks others to report who sends in the name of %s (DMARC). It begins with p=none, which only watches; once the reports show "+
			"that all your own mail passes, make it p=quarantine, then p=reject.", l.f.Domain)
}

// sts leads others to our policy.
func (l *list) sts() {
	if l.f.Policy.Mode == mtasts.None {
		return
	}
	l.add(Recommended, "_mta-sts."+l.f.Domain, "TXT", l.f.Policy.Record(),
		"Tells others that mail must come over TLS to this server (MTA-STS). The id is that of the policy that is served now; it changes with it.")
	l.add(Recommended, "mta-sts."+l.f.Domain, "CNAME", l.f.Hostname+".",
		"Where the policy is fetched from, over HTTPS: this server. Its certificate must be for mta-sts.%s too.", l.f.Domain)
}

func (l *list) tlsReports() {
	if l.f.TLSReports == "" {
		return
	}
	l.add(Recommended, tlsrpt.RecordName+l.f.Domain, "TXT", "v=TLSRPTv1; rua=mailto:"+l.f.TLSReports,
		"Asks others to report when they can't reach this server safely (TLS-RPT).")
}

// mailServices are what people's mail programs look for, the preferred first: TLS from the first byte (RFC 8314 §3), IMAP.
// The priorities order protocols too (RFC 6186 §3.4).
var mailServices = []struct {
	name     string
	port     uint16
	priority int
	what     string
	only     bool // nothing is said where it isn't offered
}{
	{"submissions", 465, 0, "send mail, with TLS from the start", false},
	{"submission", 587, 10, "send mail, with STARTTLS", false},
	{"imaps", 993, 0, "read mail, with TLS from the start", false},
	{"imap", 143, 10, "read mail, with STARTTLS", false},
	{"pop3s", 995, 20, "fetch mail by POP3, with TLS from the start", false},
	{"pop3", 110, 30, "fetch mail by POP3, with STARTTLS", false},
	{"sieve", 4190, 0, "keep filters (ManageSieve)", true},
}

func srvName(service, domain string) string { return "_" + service + "._tcp." + domain }

// services says at which ports people's programs find what (RFC 6186, RFC 8314 §5.1, RFC 5804 §1.8).
func (l *list) services() {
	for _, m := range mailServices {
		name := srvName(m.name, l.f.Domain)
		if s, ok := l.f.find(m.name, m.port); ok {
			l.add(Recommended, name, "SRV", fmt.Sprintf("%d 1 %d %s.", m.priority, s.Port, l.f.hostFor(s)), "Tells mail programs where to %s.", m.what)
			continue
		}
		if m.only {
			continue
		}
		l.add(Optional, name, "SRV", "0 0 0 .", "Says that there is no service here to %s.", m.what)
	}
}

// autoconfig leads programs that ask a web server for their settings to us.
func (l *list) autoconfig() {
	web, ok := l.f.https()
	if !ok || !l.f.Autoconfig {
		return
	}
	for _, n := range autoconfigNames {
		l.add(Recommended, n.prefix+l.f.Domain, "CNAME", l.f.Hostname+".",
			"Where %s ask for their settings: this server. Its certificate must be for %s%s too.", n.who, n.prefix, l.f.Domain)
	}
	l.add(Optional, autodiscoverSRV+l.f.Domain, "SRV", fmt.Sprintf("0 1 %d %s.", web.Port, l.f.Hostname),
		"Leads Outlook here too, where there is no certificate for autodiscover.%s.", l.f.Domain)
}

// autodiscoverSRV is what Outlook looks for if it finds nothing else ([MS-OXDISCO] section 3.1.5.3).
const autodiscoverSRV = "_autodiscover._tcp."

var autoconfigNames = []struct{ prefix, who, path string }{
	{"autoconfig.", "Thunderbird and others", "/mail/config-v1.1.xml"}, {"autodiscover.", "Outlook and phones", "/autodiscover/autodiscover.xml"},
}

// tlsa says by which key others know this server (RFC 7672). 3 1 1 is the digest of the public key, which can stay the same when
// the certificate is renewed (RFC 7671 §5.1).
func (l *list) tlsa() {
	if len(l.f.Chain) == 0 {
		return
	}
	need, when := Optional, "Only if the zone of "+l.f.Hostname+" is signed (DNSSEC); otherwise nobody looks at it. "
	if l.f.Signed {
		need, when = Recommended, ""
	}
	renewal := "Renew the certificate with the same key (certbot: --reuse-key); for a new key, publish its record beside this one a day before the key is used."
	if l.f.Renews {
		renewal = "The certificate is renewed with the same key. For a new one: postroad cert key."
	}
	l.add(need, tlsaName(l.f.Hostname), "TLSA", "3 1 1 "+publicKeyDigest(l.f.Chain[0].RawSubjectPublicKeyInfo),
		"%sThe key of this server's certificate, by which others know that nobody stands between (DANE). %s", when, renewal)
	for _, spki := range l.f.NextKeys {
		l.add(need, tlsaName(l.f.Hostname), "TLSA", "3 1 1 "+publicKeyDigest(spki),
			"%sThe key that the certificate will have next (DANE): publish it beside the one above, at least a day before it is used.", when)
	}
}

func tlsaName(host string) string { return "_25._tcp." + host }

func publicKeyDigest(spki []byte) string {
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:])
}

// reverse names are looked after by whoever gives out the addresses.
func (l *list) reverse() {
	sources := l.f.Sources
	if l.f.SmartHost != "" {
		return
	}
	if len(sources) == 0 {
		sources = l.f.Addrs
	}
	for _, a := range sources {
		l.add(Needed, reverseName(a), "PTR", l.f.nameAt(a)+".",
			"The name of the address that mail is sent from. It is set by whoever gave you the address, mostly in their web console; many servers refuse mail without it.")
	}
}

// reverseName is where an address's names are (RFC 1035 §3.5, RFC 3596 §2.5), without a final dot.
func reverseName(a netip.Addr) string {
	if a.Is4() {
		return reversed(a) + ".in-addr.arpa"
	}
	return reversed(a) + ".ip6.arpa"
}

// reversed is an address's octets, or the digits of an IPv6 address, last first. Block lists have them so too (RFC 5782 §2.1, §2.4).
func reversed(a netip.Addr) string {
	var labels []string
	for _, b := range a.AsSlice() {
		if a.Is4() {
			labels = append(labels, fmt.Sprint(b))
		} else {
			labels = append(labels, fmt.Sprintf("%x", b>>4), fmt.Sprintf("%x", b&15))
		}
	}
	slices.Reverse(labels)
	return strings.Join(labels, ".")
}

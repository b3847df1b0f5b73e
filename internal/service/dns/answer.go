package dns

import (
	"slices"
	"strings"
	"time"

	wire "github.com/miekg/dns"
)

// Limits of what is believed of an answer.
const (
	// maxAliases is how many CNAMEs may follow one another.
	maxAliases = 10
	// maxRecords is how many records of one type a name may have.
	maxRecords = 1000
	maxTTL     = 24 * time.Hour
	// maxNegative bounds for how long nothing is believed to be there (RFC 2308 §5).
	maxNegative = time.Hour
	// failureTTL is for how long a failure is remembered (RFC 9520 §3.2).
	failureTTL = 5 * time.Second
)

// result is what a question came to. It is never changed once made.
type result struct {
	records []wire.RR // of the type asked for
	name    string
	secure  bool
	ttl     time.Duration
	failed  bool
	reason  Reason
	detail  error
	err     error // of a failure, for whoever asks; nil: it isn't made yet
	size    int   // in bytes, about
}

// interpret finds in a reply what was asked for: follows the aliases, and tells
// what is not there from what is not known.
func interpret(r *reply, name string, qtype uint16) *result {
	res := &result{name: name, secure: r.trusted && r.msg.AuthenticatedData, size: r.size}
	if !definite(r.msg) {
		return res.fail(reasonOf(r.msg), failureTTL)
	}
	ttl, ok := res.follow(r.msg.Answer, qtype)
	switch {
	case !ok, len(res.records) > maxRecords:
		return res.fail(Temporary, failureTTL)
	case len(res.records) > 0 && r.msg.Rcode == wire.RcodeSuccess:
		res.ttl = ttl
		joined(res.records)
		return res
	case r.msg.Rcode == wire.RcodeNameError:
		return res.fail(NoName, min(ttl, negativeTTL(r.msg)))
	}
	return res.fail(NoRecord, min(ttl, negativeTTL(r.msg)))
}

func (res *result) fail(why Reason, ttl time.Duration) *result {
	res.records, res.failed, res.reason, res.ttl = nil, true, why, ttl
	res.secure = res.secure && why.kind() == NoName.kind()
	return res
}

// follow collects the records that res.name has, or what it is an alias of. ok is false if the aliases don't end.
func (res *result) follow(answer []wire.RR, qtype uint16) (ttl time.Duration, ok bool) {
	ttl = maxTTL
	for range maxAliases + 1 {
		var alias *wire.CNAME
		for _, rr := range answer {
			h := rr.Header()
			if h.Class != wire.ClassINET || canonical(h.Name) != res.name {
				continue
			}
			if h.Rrtype == qtype {
				res.records = append(res.records, rr)
				ttl = min(ttl, time.Duration(h.Ttl)*time.Second)
			} else if c, is := rr.(*wire.CNAME); is {
				alias = c
			}
		}
		if len(res.records) > 0 || alias == nil {
			return ttl, true
		}
		ttl = min(ttl, time.Duration(alias.Hdr.Ttl)*time.Second)
		res.name = canonical(alias.Target)
	}
	return ttl, false
}

// joined puts the strings of each TXT record together, as all want them, and as they are.
func joined(records []wire.RR) {
	for _, rr := range records {
		if t, ok := rr.(*wire.TXT); ok {
			t.Txt = []string{unescape(strings.Join(t.Txt, ""))}
		}
	}
}

// canonical is a name from the wire as Answers have it.
func canonical(name string) string {
	if name == "." {
		return name
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// negativeTTL is for how long nothing is there (RFC 2308 §5): not at all without a SOA record.
func negativeTTL(m *wire.Msg) time.Duration {
	for _, rr := range m.Ns {
		if soa, ok := rr.(*wire.SOA); ok {
			return min(time.Duration(min(soa.Hdr.Ttl, soa.Minttl))*time.Second, maxNegative)
		}
	}
	return 0
}

// reasonOf tells a refused answer from one whose signatures are wrong (RFC 8914 §4).
func reasonOf(m *wire.Msg) Reason {
	switch m.Rcode {
	case wire.RcodeSuccess:
		return NoRecord
	case wire.RcodeNameError:
		return NoName
	}
	opt := m.IsEdns0()
	if opt == nil {
		return Temporary
	}
	for _, o := range opt.Option {
		if e, ok := o.(*wire.EDNS0_EDE); ok && slices.Contains(bogusCodes(), e.InfoCode) {
			return Bogus
		}
	}
	return Temporary
}

// bogusCodes are the extended errors that speak of a failed validation (RFC 8914 §4.7 to §4.13).
func bogusCodes() []uint16 {
	return []uint16{
		wire.ExtendedErrorCodeDNSBogus, wire.ExtendedErrorCodeSignatureExpired, wire.ExtendedErrorCodeSignatureNotYetValid,
		wire.ExtendedErrorCodeDNSKEYMissing, wire.ExtendedErrorCodeRRSIGsMissing, wire.ExtendedErrorCodeNoZoneKeyBitSet,
		wire.ExtendedErrorCodeNSECMissing,
	}
}

package sender

import (
	"fmt"
	"strconv"
	"strings"

	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
	"postroad/internal/service/sender/spf"
)

// Field is the Authentication-Results field that tells the verdict, with its final CRLF.
func (v *Verdict) Field() string { return v.Results().Field() }

// Results is the verdict in the words of RFC 8601. Its Value is what arc.SealOptions.Results asks for.
func (v *Verdict) Results() authres.Header { return v.ResultsIn(new(authres.Room)) }

// ResultsIn is Results, but that the Header may lie in where.
func (v *Verdict) ResultsIn(where *authres.Room) authres.Header {
	h := authres.Header{ID: v.ID, Methods: where.Methods()}
	room := properties(where.Props())
	h.Methods = append(h.Methods, v.iprev(&room))
	if v.Session.MailFrom != "" {
		h.Methods = append(h.Methods, spfMethod(&room, &v.SPF, "mailfrom", v.Session.MailFrom))
	}
	if v.Session.Helo != "" {
		h.Methods = append(h.Methods, spfMethod(&room, &v.Helo, "helo", v.Session.Helo))
	}
	if len(v.DKIM) == 0 {
		h.Methods = append(h.Methods, authres.Method{Name: "dkim", Result: authres.None})
	}
	for i := range v.DKIM {
		h.Methods = append(h.Methods, dkimMethod(&room, &v.DKIM[i]))
	}
	if v.DMARC.Status != "" {
		h.Methods = append(h.Methods, v.dmarc(&room))
	}
	h.Methods = append(append(h.Methods, v.arc(&room)), v.Others...)
	return h
}

// properties are those of all methods so far.
type properties []authres.Property

// of are a method's; it leaves out those without a value.
func (all *properties) of(ps ...authres.Property) []authres.Property {
	first := len(*all)
	for _, p := range ps {
		if p.Value != "" {
			*all = append(*all, p)
		}
	}
	return (*all)[first:len(*all):len(*all)]
}

func (v *Verdict) ip() string {
	if !v.Session.IP.IsValid() {
		return ""
	}
	return v.Session.IP.String()
}

func (v *Verdict) iprev(room *properties) authres.Method { // RFC 8601 §2.7.3
	return authres.Method{Name: "iprev", Result: v.IPRev.Status, Comment: v.IPRev.Name,
		Props: room.of(authres.Property{Type: "policy", Name: "iprev", Value: v.ip()})}
}

func spfMethod(room *properties, r *spf.Result, identity, value string) authres.Method { // RFC 8601 §2.7.2
	return authres.Method{Name: "spf", Result: r.Status, Comment: r.Term, Reason: r.Reason,
		Props: room.of(authres.Property{Type: "smtp", Name: identity, Value: value})}
}

func dkimMethod(room *properties, r *dkim.Result) authres.Method { // RFC 8601 §2.7.1, RFC 6008
	identity := r.Identity
	if domain, bare := strings.CutPrefix(identity, "@"); bare && domain == r.Domain {
		identity = "" // it says no more
	}
	m := authres.Method{Name: "dkim", Result: r.Status, Reason: r.Reason, Props: room.of(
		authres.Property{Type: "header", Name: "d", Value: r.Domain}, authres.Property{Type: "header", Name: "s", Value: r.Selector},
		authres.Property{Type: "header", Name: "a", Value: r.Algorithm}, authres.Property{Type: "header", Name: "b", Value: r.Signature},
		authres.Property{Type: "header", Name: "i", Value: identity})}
	if r.KeyBits > 0 {
		m.Comment = strconv.Itoa(r.KeyBits) + "-bit key"
	}
	if r.Unsigned > 0 {
		m.Comment += fmt.Sprintf(", %d"+partly, r.Unsigned)
	}
	return m
}

// partly says of a signature that whoever put something behind the message left no trace.
const partly = " octets of the body unsigned"

// Partial reports whether a result of ours is that of a signature which covers only the beginning of the body (its l tag).
func Partial(m *authres.Method) bool { return m.Name == "dkim" && strings.HasSuffix(m.Comment, partly) }

func (v *Verdict) dmarc(room *properties) authres.Method {
	r := &v.DMARC
	m := authres.Method{Name: "dmarc", Result: r.Status, Reason: r.Reason, Props: room.of(authres.Property{Type: "header", Name: "from", Value: r.Author})}
	if r.PolicyDomain != "" {
		m.Comment = "p=" + string(r.Policy) + " dis=" + string(r.Disposition)
		if v.Override != "" {
			m.Comment += ": " + v.Override
		}
	}
	return m
}

func (v *Verdict) arc(room *properties) authres.Method { // RFC 8617 §6
	m := authres.Method{Name: "arc", Result: v.ARC.Status, Reason: v.ARC.Reason}
	if v.ARC.Status == authres.Pass {
		m.Comment = fmt.Sprintf("i=%d", len(v.ARC.Sets))
		m.Props = room.of(authres.Property{Type: "header", Name: "oldest-pass", Value: strconv.Itoa(v.ARC.OldestPass)},
			authres.Property{Type: "smtp", Name: "remote-ip", Value: v.ip()})
	}
	return m
}

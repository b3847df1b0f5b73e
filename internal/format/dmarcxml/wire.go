package dmarcxml

import (
	"bytes"
	"encoding/xml"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The report's form in XML. Elements are matched by their local names, so that those of all namespaces are read.
type (
	wireMetadata struct {
		Organization string    `xml:"org_name"`
		Email        string    `xml:"email"`
		Extra        string    `xml:"extra_contact_info,omitempty"`
		ID           string    `xml:"report_id"`
		Range        wireRange `xml:"date_range"`
		Errors       []string  `xml:"error"`
		Generator    string    `xml:"generator,omitempty"`
	}
	wireRange struct {
		Begin string `xml:"begin"`
		End   string `xml:"end"`
	}
	wirePolicy struct {
		Domain    string `xml:"domain"`
		Discovery string `xml:"discovery_method,omitempty"`
		DKIM      string `xml:"adkim,omitempty"`
		SPF       string `xml:"aspf,omitempty"`
		P         string `xml:"p"`
		SP        string `xml:"sp,omitempty"`
		NP        string `xml:"np,omitempty"`
		Percent   string `xml:"pct,omitempty"`
		FO        string `xml:"fo,omitempty"`
		Testing   string `xml:"testing,omitempty"`
	}
	wireRecord struct {
		Row struct {
			IP        string `xml:"source_ip"`
			Count     string `xml:"count"`
			Evaluated struct {
				Disposition string       `xml:"disposition"`
				DKIM        string       `xml:"dkim"`
				SPF         string       `xml:"spf"`
				Reasons     []wireReason `xml:"reason"`
			} `xml:"policy_evaluated"`
		} `xml:"row"`
		Identifiers struct {
			EnvelopeTo   string `xml:"envelope_to,omitempty"`
			EnvelopeFrom string `xml:"envelope_from,omitempty"`
			HeaderFrom   string `xml:"header_from"`
		} `xml:"identifiers"`
		Results struct {
			DKIM []wireSignature `xml:"dkim"`
			SPF  []wireSender    `xml:"spf"`
		} `xml:"auth_results"`
	}
	wireReason struct {
		Type    string `xml:"type"`
		Comment string `xml:"comment,omitempty"`
	}
	wireSignature struct {
		Domain   string `xml:"domain"`
		Selector string `xml:"selector"`
		Result   string `xml:"result"`
		Human    string `xml:"human_result,omitempty"`
	}
	wireSender struct {
		Domain string `xml:"domain"`
		Scope  string `xml:"scope,omitempty"`
		Result string `xml:"result"`
		Human  string `xml:"human_result,omitempty"`
	}
	wireReport struct {
		XMLName  xml.Name     `xml:"feedback"`
		XMLNS    string       `xml:"xmlns,attr"`
		Version  string       `xml:"version"`
		Metadata wireMetadata `xml:"report_metadata"`
		Policy   wirePolicy   `xml:"policy_published"`
		Records  []wireRecord `xml:"record"`
	}
)

// XML is the report's file, in the form of RFC 9990.
func (r *Report) XML() []byte {
	w := wireReport{XMLNS: Namespace, Version: "1.0", Policy: r.Policy.wire()}
	w.Metadata = wireMetadata{Organization: r.Organization, Email: r.Email, Extra: r.ExtraContact, ID: r.ID,
		Range: wireRange{seconds(r.Begin), seconds(r.End)}, Errors: r.Errors, Generator: r.Generator}
	for i := range r.Records {
		w.Records = append(w.Records, r.Records[i].wire())
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", "  ")
	e.Encode(&w) //nolint:errcheck // strings in structs, into a Buffer
	b.WriteByte('\n')
	return b.Bytes()
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func (p *Policy) wire() wirePolicy {
	return wirePolicy{Domain: p.Domain, Discovery: p.Discovery, DKIM: p.DKIM, SPF: p.SPF, P: p.P, SP: p.SP, NP: p.NP, Percent: p.Percent,
		FO: p.FO, Testing: p.Testing}
}

func (r *Record) wire() (w wireRecord) {
	if r.IP.IsValid() {
		w.Row.IP = r.IP.String()
	}
	w.Row.Count = strconv.FormatUint(r.Count, 10)
	e := &w.Row.Evaluated
	e.Disposition, e.DKIM, e.SPF = r.Disposition, r.DKIM, r.SPF
	for _, x := range r.Reasons {
		e.Reasons = append(e.Reasons, wireReason(x))
	}
	w.Identifiers.EnvelopeTo, w.Identifiers.EnvelopeFrom, w.Identifiers.HeaderFrom = r.EnvelopeTo, r.EnvelopeFrom, r.HeaderFrom
	for _, s := range r.Signatures {
		w.Results.DKIM = append(w.Results.DKIM, wireSignature(s))
	}
	if r.Sender != (Sender{}) {
		w.Results.SPF = []wireSender{wireSender(r.Sender)}
	}
	return w
}

func (w *wirePolicy) policy() Policy {
	return Policy{Domain: domain(w.Domain), P: word(w.P), SP: word(w.SP), NP: word(w.NP), DKIM: word(w.DKIM), SPF: word(w.SPF), FO: cut(w.FO),
		Discovery: word(w.Discovery), Testing: word(w.Testing), Percent: word(w.Percent)}
}

func (w *wireRecord) record() (r Record, ok bool) {
	ip, err := netip.ParseAddr(strings.TrimSpace(w.Row.IP))
	n, err2 := strconv.ParseUint(strings.TrimSpace(w.Row.Count), 10, 48)
	if err != nil || err2 != nil || ip.Zone() != "" {
		return r, false
	}
	e := &w.Row.Evaluated
	r = Record{IP: ip.Unmap(), Count: n, Disposition: word(e.Disposition), DKIM: word(e.DKIM), SPF: word(e.SPF),
		HeaderFrom: domain(w.Identifiers.HeaderFrom), EnvelopeFrom: domain(w.Identifiers.EnvelopeFrom), EnvelopeTo: domain(w.Identifiers.EnvelopeTo)}
	for _, x := range e.Reasons[:min(len(e.Reasons), maxReasons)] {
		r.Reasons = append(r.Reasons, Reason{word(x.Type), cut(x.Comment)})
	}
	for _, s := range w.Results.DKIM[:min(len(w.Results.DKIM), MaxSignatures)] {
		r.Signatures = append(r.Signatures, Signature{domain(s.Domain), cut(s.Selector), word(s.Result), cut(s.Human)})
	}
	if all := w.Results.SPF; len(all) > 0 { // RFC 7489 let one have several: the reverse-path's counts
		at := 0
		for i := range all {
			if word(all[i].Scope) == "mfrom" {
				at = i
				break
			}
		}
		r.Sender = Sender{domain(all[at].Domain), word(all[at].Scope), word(all[at].Result), cut(all[at].Human)}
	}
	return r, true
}

// word is one of a few known values.
func word(s string) string { return strings.ToLower(cut(s)) }

// domain is a name to be compared.
func domain(s string) string { return strings.TrimSuffix(word(s), ".") }

// cut makes a stranger's text fit to keep: without control characters and blanks around it, and of at most MaxText bytes.
func cut(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7F && r < 0xA0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if s = strings.TrimSpace(s); len(s) > MaxText {
		s = strings.TrimSpace(strings.ToValidUTF8(s[:MaxText], ""))
	}
	return s
}

package dmarc

import (
	"context"
	"strings"

	"golang.org/x/net/idna"

	"postroad/internal/fault"
)

// Resolver asks the DNS.
type Resolver interface {
	// LookupTXT returns the TXT records of a name, the strings of each joined. Errors are of kind fault.NotFound if there is
	// no such name or record; all other kinds count as temporary.
	LookupTXT(ctx context.Context, name string) ([]string, error)
	// Exists reports whether a name exists: it is false for NXDOMAIN only. Errors are temporary.
	Exists(ctx context.Context, name string) (bool, error)
}

// maxLabels is where a walk goes on after its first question: with one label less (§4.10).
const maxLabels = 8

// published is a record and where it is.
type published struct {
	domain string
	*Record
}

// walker walks the DNS tree, and asks for each name once.
type walker struct {
	resolver Resolver
	records  *Records
	asked    []asked // hardly ever more than a few
}

// asked is a domain that was asked for, and its record; nil if there is none.
type asked struct {
	domain string
	record *published
}

// record finds the record of a domain itself; nil if there is none, or several.
func (w *walker) record(ctx context.Context, domain string) (*published, error) {
	for i := range w.asked {
		if w.asked[i].domain == domain {
			return w.asked[i].record, nil
		}
	}
	txts, err := w.resolver.LookupTXT(ctx, "_dmarc."+domain)
	if err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Invalid) {
		return nil, fault.Wrap(fault.Unavailable, err, "no answer from the DNS")
	}
	var p *published
	for _, txt := range txts {
		r := w.records.parse(txt)
		if r == nil {
			continue
		}
		if p != nil { // §4.10 step 2: several are none
			p = nil
			break
		}
		p = &published{domain, r}
	}
	w.asked = append(w.asked, asked{domain, p})
	return p, nil
}

// walk finds the records from a domain up to the root (§4.10): at most maxLabels questions.
func (w *walker) walk(ctx context.Context, domain string) ([]*published, error) {
	var found []*published
	for name, first := domain, true; name != ""; first = false {
		p, err := w.record(ctx, name)
		if err != nil {
			return nil, err
		}
		if p != nil {
			if found = append(found, p); p.PSD != 'u' {
				break
			}
		}
		if n := labels(name); first && n > maxLabels {
			name = last(name, maxLabels-1)
		} else {
			name = last(name, n-1)
		}
	}
	return found, nil
}

func labels(domain string) int { return strings.Count(domain, ".") + 1 }

// last returns the last n labels of a domain; "" if there are none.
func last(domain string, n int) string {
	if n <= 0 {
		return ""
	}
	for i := len(domain) - 1; i >= 0; i-- {
		if domain[i] == '.' {
			if n--; n == 0 {
				return domain[i+1:]
			}
		}
	}
	return domain
}

// organization picks the organizational domain of a domain from a walk's records (§4.10.2).
func organization(domain string, found []*published) string {
	for _, p := range found {
		switch {
		case p.PSD == 'n':
			return p.domain
		case p.PSD == 'y' && p.domain != domain:
			return last(domain, labels(p.domain)+1)
		}
	}
	if len(found) > 0 {
		return found[len(found)-1].domain
	}
	return domain
}

// organizationOf walks and picks.
func (w *walker) organizationOf(ctx context.Context, domain string) (string, error) {
	found, err := w.walk(ctx, domain)
	return organization(domain, found), err
}

// policy finds the record that applies to an author's domain (§4.10.1); nil if there is none.
func (w *walker) policy(ctx context.Context, author string) (*published, error) {
	p, err := w.record(ctx, author)
	if p != nil || err != nil {
		return p, err
	}
	found, err := w.walk(ctx, author)
	if err != nil {
		return nil, err
	}
	org := organization(author, found)
	for _, p := range found {
		if p.domain == org || p.PSD == 'y' {
			return p, nil
		}
	}
	return nil, nil
}

// canonical brings a domain into the form that is compared and asked for: lower case A-labels (§5.3.1); "" if it is
// none.
func canonical(domain string) string {
	domain = strings.TrimSuffix(domain, ".")
	if !isASCII(domain) || strings.Contains(strings.ToLower(domain), "xn--") { // else it changes nothing
		if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
			domain = ascii
		}
	}
	domain = strings.ToLower(domain)
	if len(domain) > 253 {
		return ""
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 {
			return ""
		}
	}
	if strings.ContainsFunc(domain, func(r rune) bool {
		return r != '.' && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
	}) {
		return ""
	}
	return domain
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

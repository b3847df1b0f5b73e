package signing

import (
	"strings"

	"postroad/internal/format/message"
	"postroad/internal/model/directory"
	"postroad/internal/service/sender/dkim"
)

// authorKeys are the keys for mail of somebody who has signed in, or of ourselves.
//
// The domain is that of From, so that the signature is aligned with what people see (RFC 9989 §4.4), if whoever sends may
// write in this name: else one customer could have another's name signed. Otherwise it is that of the reverse-path, which they may
// use, or of their login.
func (w *work) authorKeys(h dkim.Header) ([]dkim.SigningKey, error) {
	from, known := author(h)
	candidates, err := w.candidates(from, known)
	if err != nil {
		return nil, err
	}
	for _, domain := range candidates {
		if keys, err := w.keysOf(domain); err != nil || len(keys) > 0 {
			return keys, err
		}
	}
	for _, domain := range candidates {
		if ours, err := w.dir.IsLocal(w.ctx, domain); err != nil {
			return nil, err
		} else if ours {
			w.keyless(domain)
			break
		}
	}
	return nil, nil
}

// candidates are the domains that may sign, the best first.
func (w *work) candidates(from directory.Address, known bool) (domains []string, err error) {
	who := w.leaving.Who
	if who.System {
		if known {
			domains = parents(from.Domain)
		}
		return domains, nil
	}
	if known {
		may, err := w.dir.MaySend(w.ctx, who.Account, from.String())
		if err != nil {
			return nil, err
		}
		if may {
			domains = append(domains, from.Domain)
		}
	}
	for _, s := range []string{w.leaving.From, who.Login} {
		if a, err := directory.Parse(s); err == nil {
			domains = append(domains, a.Domain)
		}
	}
	return domains, nil
}

// parents are a domain and those that it is in, but no top-level domain: our notifications come from the host's name, which
// is within a domain of ours rather than one itself, and is aligned with it all the same.
func parents(domain string) []string {
	var all []string
	for strings.Contains(domain, ".") {
		all = append(all, domain)
		_, domain, _ = strings.Cut(domain, ".")
	}
	return all
}

// author is the first address in From; there is none if there are several such fields, or it can't be read.
func author(h dkim.Header) (a directory.Address, ok bool) {
	n := 0
	for _, f := range h {
		if f.Name != "from" {
			continue
		}
		if n++; n > 1 {
			return directory.Address{}, false
		}
		a, ok = firstAddress(f.Body())
	}
	return a, ok
}

func firstAddress(body string) (directory.Address, bool) {
	for _, m := range message.ParseAddresses(body) {
		if m.Group != message.NoGroup || m.Host == "" {
			continue
		}
		a, err := directory.Parse(directory.Address{Local: m.Mailbox, Domain: m.Host}.String())
		return a, err == nil
	}
	return directory.Address{}, false
}

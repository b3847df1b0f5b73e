package server

import (
	"context"
	"slices"
	"strings"

	"postroad/internal/server/config"
	"postroad/internal/service/acme"
)

// wantedNames says which names have certificates, and which of them one together.
type wantedNames struct {
	host    string
	domains []string
	acme    config.ACME
	// serves reports whether a domain needs the name with a prefix in front, such as mta-sts; brought, whether somebody has brought a
	// certificate for a name.
	serves  func(prefix, domain string) bool
	brought func(name string) bool
}

// sets are the names for which certificates are to be got, one for each set.
func (w *wantedNames) sets() [][]string {
	names := w.names()
	if !w.acme.PerDomain {
		return acme.Single(names...)
	}
	var sets [][]string
	at := map[string]int{}
	for _, name := range names {
		domain := w.domainOf(name)
		if i, ok := at[domain]; ok && domain != "" && len(sets[i]) < acme.MaxNames {
			sets[i] = append(sets[i], name)
			continue
		}
		at[domain] = len(sets)
		sets = append(sets, []string{name})
	}
	return sets
}

// names are all of them, the host's first, in an order that stays.
func (w *wantedNames) names() []string {
	all := slices.Clone(w.acme.Names)
	for _, d := range w.domains {
		for _, prefix := range w.acme.Prefixes() {
			if w.serves(prefix, d) {
				all = append(all, prefix+"."+d)
			}
		}
	}
	slices.Sort(all)
	// The host has its own name in a certificate whatever else there is: records of DANE tell of that certificate's key.
	all = slices.Insert(slices.DeleteFunc(slices.Compact(all), func(name string) bool { return name == w.host || coveredBy(all, name) }), 0, w.host)
	// A name without a dot is a machine's that nobody named: no authority can look there.
	return slices.DeleteFunc(all, func(name string) bool { return w.brought(name) || !strings.Contains(name, ".") })
}

// coveredBy reports whether one of the names is a wildcard that stands for another.
func coveredBy(all []string, name string) bool {
	label, parent, _ := strings.Cut(name, ".")
	return label != "*" && slices.Contains(all, "*."+parent)
}

// domainOf is the domain here that a name is in, the nearest; "": none.
func (w *wantedNames) domainOf(name string) (nearest string) {
	for _, d := range w.domains {
		if len(d) > len(nearest) && config.Within(strings.TrimPrefix(name, "*."), d) {
			nearest = d
		}
	}
	return nearest
}

// certSets are the names for which certificates are to be got now.
func (s *Server) certSets(ctx context.Context) ([][]string, error) {
	w := wantedNames{host: hostOf(s.config), acme: s.config.ACME, brought: s.certs.Brought, serves: func(prefix, domain string) bool {
		return prefix != "mta-sts" || s.config.MTASTS.ModeOf(domain) != config.Off
	}}
	for d, err := range s.store.Directory.Domains(ctx) {
		if err != nil {
			return nil, err
		}
		w.domains = append(w.domains, d.Name)
	}
	return w.sets(), nil
}

package setup

import (
	"context"
	"slices"

	"postroad/internal/service/dns"
)

// checkServices looks whether mail programs find this server (RFC 6186).
func (k *checker) checkServices(ctx context.Context, n *notes) {
	var good, missing []string
	for _, m := range mailServices {
		s, offered := k.find(m.name, m.port)
		switch k.checkService(ctx, n, m.name, s, offered) {
		case yes:
			good = append(good, "_"+m.name)
		case no:
			missing = append(missing, "_"+m.name)
		}
	}
	if len(missing) > 0 {
		n.warn("publish the SRV records that \"postroad domain records "+k.Domain+"\" tells", "mail programs don't find %s by themselves: their settings must be entered by hand", many(missing))
	}
	if len(good) > 0 {
		n.ok("mail programs find %s", many(good))
	}
}

// checkService looks at one. It returns yes if it is found as it should be, no if it isn't found at all. What else there may be, it notes.
func (k *checker) checkService(ctx context.Context, n *notes, srv string, s Service, offered bool) answer {
	name := srvName(srv, k.Domain)
	a := ask(ctx, k.DNS.LookupSRV, name)
	at := func(r dns.SRV) bool { return r.Host == k.Hostname && r.Port == s.Port }
	switch fix := k.record(name, "SRV"); {
	case a.unknown():
		unanswered(n, name, a.err)
	case a.none() && offered:
		return no
	case a.none(), !offered && a.Records[0].Host == ".":
	case !offered:
		n.wrong("remove the record; or add a listener, if the service is wanted", "%s leads to %s port %d, but this server doesn't offer that", name, shown(a.Records[0].Host), a.Records[0].Port)
	case a.Records[0].Host == ".":
		n.wrong(fix, "%s says that the service isn't there, but it is", name)
	case !slices.ContainsFunc(a.Records, at):
		n.wrong(fix, "%s leads to %s port %d, not to this server", name, shown(a.Records[0].Host), a.Records[0].Port)
	default:
		return yes
	}
	return maybe
}

// checkAutoconfig looks at the names where programs ask a web server for settings.
func (k *checker) checkAutoconfig(ctx context.Context, n *notes) {
	for _, c := range autoconfigNames {
		a := ask(ctx, k.DNS.LookupIP, c.prefix+k.Domain)
		switch {
		case a.unknown():
			unanswered(n, c.prefix+k.Domain, a.err)
		case a.none():
			n.ok("%s%s isn't there, and needn't be", c.prefix, k.Domain)
		case slices.ContainsFunc(a.Records, k.ours):
			n.warn("remove it until this server answers there: programs may complain of the certificate", "%s%s leads to this server, which doesn't tell settings yet", c.prefix, k.Domain)
		default:
			n.ok("%s%s leads to another server", c.prefix, k.Domain)
		}
	}
}

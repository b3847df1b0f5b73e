package setup

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
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
	at := func(r dns.SRV) bool { return r.Host == k.hostFor(s) && r.Port == s.Port }
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
		n.wrong(fix, "%s leads to %s port %d, not to %s", name, shown(a.Records[0].Host), a.Records[0].Port, k.shownHost(s))
	default:
		return yes
	}
	return maybe
}

// shownHost is where a service should be, in words.
func (k *checker) shownHost(s Service) string {
	if s.Host == "" {
		return "this server"
	}
	return s.Host
}

// checkAutoconfig looks at the names where programs ask a web server for settings.
func (k *checker) checkAutoconfig(ctx context.Context, n *notes) {
	_, answers := k.https()
	answers = answers && k.Autoconfig
	for i := range autoconfigNames {
		name := autoconfigNames[i].prefix + k.Domain
		a := ask(ctx, k.DNS.LookupIP, name)
		switch ours := slices.ContainsFunc(a.Records, k.ours); {
		case a.unknown():
			unanswered(n, name, a.err)
		case a.none() && answers:
			n.warn(k.record(name, "CNAME"), "%s isn't there: %s don't find their settings", name, autoconfigNames[i].who)
		case a.none():
			n.ok("%s isn't there, and needn't be", name)
		case ours && !answers:
			n.warn("remove it, or let this server answer there: a listener for http with TLS, and no autoconfig.off", "%s leads to this server, which doesn't tell settings", name)
		case ours && k.Offline:
			n.ok("%s leads to this server; it wasn't asked", name)
		case ours:
			k.askSettings(ctx, n, name, autoconfigNames[i].path)
		default:
			n.ok("%s leads to another server", name)
		}
	}
}

// askSettings asks for settings as programs do, but for the settings themselves: that there is an answer, under a good certificate, is what may
// be wrong.
func (k *checker) askSettings(ctx context.Context, n *notes, name, path string) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	err := k.head(ctx, "https://"+name+path)
	if ctx.Err() != nil {
		err = errors.New("no answer in time")
	}
	var unknown x509.UnknownAuthorityError
	var other x509.HostnameError
	switch {
	case err == nil:
		n.ok("programs get their settings from %s", name)
	case errors.As(err, &other):
		n.wrong("get a certificate for "+name+" too ([acme] does it by itself), or remove the record", "programs are warned of https://%s: the certificate isn't for this name", name)
	case errors.As(err, &unknown):
		n.wrong("use a certificate of a public authority, for "+name+" too", "programs are warned of https://%s: nobody knows who has signed its certificate", name)
	default:
		n.wrong("let port 443 in, or remove the record", "programs get no settings from https://%s: %s", name, clean(cause(err), 300))
	}
}

func (k *checker) head(ctx context.Context, url string) error {
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return k.dialName(ctx, network, address)
		},
		TLSClientConfig:   &tls.Config{RootCAs: k.Roots, MinVersion: tls.VersionTLS12, Time: k.Now},
		DisableKeepAlives: true, MaxResponseHeaderBytes: 32 << 10,
	}
	defer t.CloseIdleConnections()
	q, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return err
	}
	a, err := t.RoundTrip(q)
	if err != nil {
		return err
	}
	a.Body.Close()
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP status %d", a.StatusCode)
	}
	return nil
}

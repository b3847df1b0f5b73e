package route

import (
	"strconv"
	"strings"

	"postroad/internal/service/dns"
)

// Destination names what shares the remote end with other mail for a domain from a sender (as for Route): the next hop that a Rule
// names, "smtp.provider.example:587" or "unix:/run/lists", so that all domains behind one smart host share its limits and back-off;
// else the domain.
func (r *Router) Destination(domain, sender string) string {
	name := strings.ToLower(domain)
	if len(r.o.Rules) == 0 {
		return name
	}
	if !strings.HasPrefix(name, "[") {
		ascii, err := dns.ASCII(domain)
		if err != nil {
			return name
		}
		name = ascii
	}
	rule := r.rule(name, domainOf(sender))
	switch {
	case rule == nil:
		return name
	case rule.socket != "":
		return "unix:" + rule.socket
	}
	return rule.Host + ":" + strconv.Itoa(int(rule.Port))
}

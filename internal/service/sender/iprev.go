package sender

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/sender/authres"
)

// IPRev says whether the client's address has a name which has that address (RFC 8601 §3).
type IPRev struct {
	// Status is pass, fail (there are names, none with the address), permerror (there are none) or temperror.
	Status authres.Result
	// Name is the name that is true; without one the first that is claimed.
	Name string
}

// maxNames is how many of an address's names are looked at.
const maxNames = 5

// CheckIPRev finds out whether ip has a name of its own. It waits for the DNS as long as ctx lets it.
func CheckIPRev(ctx context.Context, r Resolver, ip netip.Addr) IPRev {
	if !ip.IsValid() {
		return IPRev{Status: authres.PermError}
	}
	names, err := r.LookupPTR(ctx, ip)
	switch {
	case fault.Is(err, fault.NotFound), err == nil && len(names) == 0:
		return IPRev{Status: authres.PermError}
	case err != nil:
		return IPRev{Status: authres.TempError}
	}
	result := IPRev{Status: authres.Fail, Name: strings.TrimSuffix(names[0], ".")}
	for _, n := range names[:min(len(names), maxNames)] {
		n = strings.TrimSuffix(n, ".")
		addrs, err := r.LookupIP(ctx, n)
		if err != nil && !fault.Is(err, fault.NotFound) {
			result.Status = authres.TempError
			continue
		}
		if slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Unmap() == ip }) {
			return IPRev{Status: authres.Pass, Name: n}
		}
	}
	return result
}

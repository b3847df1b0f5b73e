package inbound

import (
	"net/netip"
	"strings"
)

// dynamicWords are what providers put in the names of connections that they give to homes.
var dynamicWords = map[string]bool{
	"dyn": true, "dynamic": true, "dynip": true, "dialup": true, "dial": true, "dhcp": true, "dsl": true, "adsl": true, "vdsl": true, "xdsl": true,
	"cable": true, "ppp": true, "pppoe": true, "pool": true, "pools": true, "customer": true, "cust": true, "client": true, "clients": true,
	"broadband": true, "home": true, "res": true, "residential": true, "ftth": true, "fttx": true, "lte": true, "mobile": true, "wireless": true,
	"cpe": true, "catv": true, "hsd": true, "user": true, "unassigned": true, "retail": true,
}

// staticWords say that a name with an address in it is a server's all the same.
var staticWords = map[string]bool{"static": true, "mail": true, "mx": true, "smtp": true, "mta": true, "outbound": true, "relay": true, "sender": true, "server": true}

// looksDynamic reports whether an address's name looks like one made by a machine for a home's connection: it
// spells the address, or has a word of those trades.
func looksDynamic(name string, ip netip.Addr) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	host := name // the provider's own domain says nothing: dynamic.example is no dynamic name
	if labels := strings.Split(name, "."); len(labels) > 2 {
		host = strings.Join(labels[:len(labels)-2], ".")
	} else {
		return false
	}
	words := strings.FieldsFunc(host, func(r rune) bool { return r < 'a' || r > 'z' })
	dynamic := false
	for _, w := range words {
		if staticWords[w] {
			return false
		}
		dynamic = dynamic || dynamicWords[w]
	}
	return dynamic || spells(host, ip)
}

// spells reports whether a name has the numbers of an IPv4 address in it, in either direction or in hexadecimal.
func spells(name string, ip netip.Addr) bool {
	if !ip.Is4() {
		return false
	}
	const digits = "0123456789abcdef"
	a := ip.As4()
	var hex [8]byte
	for i, b := range a {
		hex[2*i], hex[2*i+1] = digits[b>>4], digits[b&15]
	}
	if strings.Contains(name, string(hex[:])) {
		return true
	}
	numbers := numbersIn(name)
	for i := range numbers {
		if i+3 < len(numbers) && (match(numbers[i:], a[0], a[1], a[2], a[3]) || match(numbers[i:], a[3], a[2], a[1], a[0])) {
			return true
		}
	}
	return false
}

func match(n []int, want ...byte) bool {
	for i, w := range want {
		if n[i] != int(w) {
			return false
		}
	}
	return true
}

// numbersIn are the decimal numbers in a name; -1 for one that is no octet.
func numbersIn(s string) []int {
	var all []int
	for i := 0; i < len(s); {
		if s[i] < '0' || s[i] > '9' {
			i++
			continue
		}
		n := 0
		for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
			if n = n*10 + int(s[i]-'0'); n > 255 {
				n = 1000
			}
		}
		all = append(all, n)
	}
	return all
}

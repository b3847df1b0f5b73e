package features

import "net/netip"

// Facts are what reception knows of a message apart from its bytes. The zero value: nothing is known. All names are in lower case.
type Facts struct {
	// Client is who brought the message to us, and Helo how it called itself.
	Client netip.Addr
	Helo   string
	// Host is the client's name in the DNS, "" if it has none that leads back to it.
	Host string
	// From is the reverse-path without brackets.
	From string
	// SPF, DKIM, DMARC and ARC are results as RFC 8601 §2.7 spells them: "pass", "fail"; "": not checked.
	SPF, DKIM, DMARC, ARC string
	// Proven is the author's domain (that of the From field) if DMARC, or a signature or SPF in alignment with it, proves it; else "".
	Proven string
	// Signs are the names of the phishing signs that were found, such as "link-text".
	Signs []string
}

// FactsOf reads the facts out of a message's header: from the trace of our own that stands in front of it. results is the
// value of our Authentication-Results field if that isn't in front yet (at delivery); "" reads it from the header (a stored
// message). Signs stays empty.
//
// The caller sees to it that the header begins with what we wrote: fields behind the first Received of ours aren't believed.
func FactsOf(header []byte, results string) Facts {
	return Facts{}
}

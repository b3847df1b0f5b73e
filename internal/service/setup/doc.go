// Package setup helps to put a domain on the Internet: it says which DNS records the domain needs and why, and compares
// what the DNS, the network and others have to say with what it should be.
//
//	facts := setup.Facts{Domain: "example.org", Hostname: "mail.example.org", Keys: keys, ...}
//	for _, r := range setup.Records(facts) {
//		fmt.Println(r.Name, r.Type, r.Value, r.Why)
//	}
//	setup.WriteZone(w, facts.Domain, setup.Records(facts))       // as a master file (RFC 1035 §5)
//	report := setup.Check(ctx, facts, setup.Options{DNS: resolver}) // what is right, what isn't, and how to mend it
//
// Facts are what this server is, gathered by the caller; nothing here reads settings or the store. Check never
// fails: what can't be found out is a finding too. It takes bounded time, also if nobody answers, and texts of
// strangers in its findings are made harmless for terminals.
//
// Nothing is published by this package: the records go into the DNS by whatever its host offers.
package setup

// Package sender finds out who a message is from: whether the host may send for the domain of the reverse-path
// (SPF), which domains signed the message (DKIM), whether the one in From vouches for it (DMARC), who handled it on the way
// (ARC), and whether the host's name is its own (iprev).
//
//	checker := sender.New(sender.Options{Resolver: sender.FromDNS(resolver), ID: "mx.example.org"})
//	...
//	check := checker.Begin(sender.Session{IP: ip, Helo: helo, MailFrom: from})
//	io.Copy(check, message)
//	v := check.Verdict(ctx)
//	if v.DMARC.Disposition == dmarc.Reject { ... }
//	field := v.Field() // Authentication-Results, to be put before the message
//
// A verdict is a value: nothing is rejected here. Before the field is put there, what strangers wrote in our name
// has to go: authres.NewStripper.
//
// The parts stand on their own, in packages spf, dkim, dmarc, arc and authres. Those that sign and seal
// are dkim.Signer and arc.Sealer.
package sender

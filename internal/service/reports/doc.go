// Package reports tells other sites how their mail fares here, and listens to what they tell us: reports on TLS (RFC
// 8460), and DMARC's aggregate and failure reports (RFC 9990, RFC 9991, RFC 7489).
//
//	s := reports.New(reports.Options{DB: db, DNS: resolver, Send: send, ...})
//	outbound.Options{Observe: s.Observe}           // each session with another server
//	inbound.Options{Report: func(e) { s.Evaluated(...) }} // each message with a DMARC policy
//	go s.Run(ctx)                                  // sends, keeps, forgets
//
// # Sending
//
// What happens is counted in memory, and every minute added to what lies in the store, without a sync: a crash costs a minute
// of counts. Once a day (UTC) is over, and some hours more that differ from domain to domain, each domain that wants a report gets one. It
// goes to the addresses that its own record names, by mail or HTTPS; DMARC's only to those of others who agree. A day's counts
// are forgotten when the report is sent, or if that didn't work for a day.
//
// # Receiving
//
// Mail for tls-reports@ and dmarc-reports@ a domain of ours comes here, if no mailbox has the name: see Take. What can be
// authenticated, read, and is about a domain of ours is kept for 60 days.
//
// # Limits
//
// Nothing here grows with what strangers send: domains and rows per day, reports and bytes received per day are limited. What is over
// a limit is not counted, but that is (Stats).
//
// # Failure reports
//
// What single messages failed at (RFC 9991) is told at once, if that is wanted here: see Failed. They carry the header of a message, never its
// body, and are few: alike ones are counted together, and an address gets so many in a day.
package reports

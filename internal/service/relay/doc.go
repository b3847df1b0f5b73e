// Package relay speaks to the next hop: it is the client side of SMTP and LMTP.
//
// A Relay takes a job (a message and recipients for one destination) and the hops that lead
// there, best first, and returns one Outcome for each recipient:
//
//	r := relay.New(relay.Options{Dial: dial, Hostname: func(netip.Addr) string { return "mx.example.org" }})
//	defer r.Close()
//	outcomes := r.Send(ctx, hops, job)
//
// The stages of a conversation have a file each: open (greeting, EHLO, STARTTLS, AUTH),
// form (what of the message the hop can take, and how it gets it), transaction (MAIL, RCPT)
// and data (DATA, BDAT). A trouble is whatever ends one of them, and becomes an Outcome.
//
// # Which hop is tried
//
// As Postfix does it: hops are tried in order until every recipient has an answer. A hop that
// can't be reached, greets with 4xx or 5xx, says 421, fails to secure the channel as it must, or
// answers 4xx, passes the recipients concerned on to the next one. One that nobody answered at is
// tried after all others for some minutes. A 5xx to MAIL, RCPT or the
// message is final: no other hop is asked. At most Limits.Hops addresses are tried, and at most
// Limits.Sessions of them are asked to take the message.
//
// # What is promised
//
// A recipient is Delivered or Relayed only after a 2xx reply to the message itself. If a
// connection is lost between the end of the message and that reply, nobody knows whether it was
// taken: the recipient is Deferred and no other hop is asked, so that the message may arrive
// twice (RFC 5321 §6.1, RFC 1047) but never not at all.
//
// What leaves us has CRLF at the end of each line and nowhere else: a bare CR or LF is sent as
// CRLF, and a last line without an end gets one. (BINARYMIME excepted, where bytes are bytes.)
//
// Implements the client side of RFC 5321 with RFC 1870 (SIZE), 2033 (LMTP), 2034 (enhanced
// status codes), 2852 (DELIVERBY), 2920 (PIPELINING), 3030 (CHUNKING, BINARYMIME), 3207 and 7435
// (STARTTLS, opportunistic), 3461 and 6533 (DSN), 4954 (AUTH), 6152 (8BITMIME, with conversion
// to 7 bit), 6531 (SMTPUTF8), 6710 (MT-PRIORITY), 8689 (REQUIRETLS) and 9422 (LIMITS).
// testdata holds conversations that read as a specification.
//
// It does not look up hosts or policies, decide when to try again, or send notifications.
package relay

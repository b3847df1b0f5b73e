// Package inbound decides who may hand mail in here, how much, and what is to be thought of it.
//
// A Guard is asked at each step of a stranger's visit, as it happens:
//
//	visit, err := guard.Connect(ctx, inbound.Client{Addr: ip})   // rates; block lists are asked from now on
//	defer visit.Close()
//	err = visit.Hello(ctx, "mail.example.org")                   // does the name look right?
//	err = visit.Mail(ctx, "ann@example.org")                     // rates
//	err = visit.Recipient(ctx, "bob@example.net")                // block lists, greylisting
//	check := visit.Message(inbound.Envelope{...})
//	io.Copy(check, message)                                      // as it came
//	verdict, err := check.Verdict(ctx)                           // SPF, DKIM, ARC, DMARC
//
// Each may fail with a Refusal, which has the SMTP reply. A nil Visit is somebody whom nobody checks: loopback
// and networks that are trusted. The DNS never has the last word when it is silent: without an answer mail is
// taken, and marked.
//
// People who have signed in aren't strangers; how much they may send is kept by Accounts.
//
// What is learned (who delivered before, who was asked to come back, what accounts have sent) lies in the kv: keys.go.
package inbound

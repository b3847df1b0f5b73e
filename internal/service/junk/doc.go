// Package junk keeps junk out of people's inboxes: it judges what comes, for each account apart, and learns from what people
// do with their mail.
//
//	service := junk.New(junk.Options{...})       // is a delivery.Judge
//	opinion := service.Letter(e, c).For(ctx, s)  // at delivery, before the account's rules
//	go service.Run(ctx)                          // learns, a few seconds behind
//
// What decides is the model's score (package model) of a message's features (package features), by the base that everybody begins
// with, what this server's accounts agree on, and what the account has learned; and what the accounts here have reported of the
// sender's proven domain and of its network. Whom people have written to never is junk, unless nothing proves that it is them.
//
// Acts are read from the account's change log, whatever protocol did them: moves into the folder for junk and out of it, the
// keywords by which programs mark junk, answers, and what was read and left in the inbox. What was learned, of which message,
// and how far the log was read change in one transaction of the account, so nothing is learned twice, and a new label takes the
// old one back. Features aren't stored: acts are rare, and the message is there to be looked at again.
//
// What accounts agree on is bounded so that nobody can teach others what they like: an account has one vote on each domain and
// network, and nothing counts before several accounts say the same.
//
// Where what lies: records.go.
package junk

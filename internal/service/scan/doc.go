// Package scan shows messages to other programs, and gathers what they think of them: a spam filter, a virus scanner, a
// milter, a program that the administrator has written.
//
// A Scanner speaks to one program; the sub-packages rspamd, clamd, milter and hook have one each. A Set has all that are
// switched on. It asks them at the same time, each with a time limit, a limit of how many questions are open at once, and
// a rest after it has failed several times in a row; what becomes of mail while a program is out of order is the
// administrator's choice. What they say becomes one Report:
//
//	visit := set.Visit()                      // a client connects: nil, if nobody goes along with it
//	visit.Step(ctx, scan.AtConnect, &message) // and so on: whether a step is refused
//	report := set.Scan(ctx, &message, visit)  // the message is there: asks all
//	report.Action()                           // the most severe of what they want
//
// Milters are Companions: they hear of each step, one after the other, and may change the message and its envelope; all other programs
// see what is to be delivered.
//
// Nothing of a message's content is in errors, logs or counts; the names that programs give to viruses and symbols are.
package scan

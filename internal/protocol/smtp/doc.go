// Package smtp is the counter where mail is handed in: SMTP between servers
// (port 25), message submission by people's programs (587, 465) and LMTP from a
// mail relay (24), all served by one session type.
//
// A Server accepts connections and runs one session, in one goroutine, for each.
// A session reads command lines (input), finds the command in a table
// (commands.go), and writes a reply (replies.go). MAIL and RCPT fill a
// transaction; DATA and BDAT stream the message's bytes through lines (line
// endings, dot transparency) and message (limits, trace fields) into a Content,
// which the Post delivers. A 250 for a message is sent only after Deliver has
// said that it is durable.
//
// A Gate (gate.go) is asked at each step who may go on: it sees each message as it comes, and what it thinks of it goes to
// the Post with the envelope. Authentication-Results fields in our name are taken out of strangers' mail, and of that
// of people who have signed in.
//
// Only CRLF ends a line and only CRLF.CRLF ends a message: anything else
// is refused, so that no two servers can disagree on where a message ends.
//
// Implements RFC 5321 with RFC 1870 (SIZE), 2033 (LMTP), 2034 (enhanced status
// codes), 2920 (PIPELINING), 3030 (CHUNKING, BINARYMIME), 3207 (STARTTLS), 3461
// (DSN: the parameters are checked and handed on), 4468 (BURL), 4954 (AUTH), 6152 (8BITMIME),
// 6409 and 8314 (submission), 6531 (SMTPUTF8) and 9422 (LIMITS). testdata holds
// conversations that read as a specification.
//
// It does not decide who is known here, store anything, or send mail onwards.
package smtp

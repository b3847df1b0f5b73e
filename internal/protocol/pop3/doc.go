// Package pop3 serves POP3: a program signs in, gets what is in the INBOX, and
// may delete it.
//
// A session's maildrop is the INBOX as it was at sign-in, locked against
// other POP3 sessions, never against other protocols: what they remove
// meanwhile can't be retrieved any more, what they add is seen by the next session.
// Deletions happen at QUIT, and then only those asked for.
//
// Implements RFC 1939 (APOP only where passwords are kept so that they can be read), and
// RFC 2449 (CAPA, response codes, PIPELINING, EXPIRE, LOGIN-DELAY), RFC 2595 and 8314 (STLS,
// TLS), RFC 5034 (AUTH), RFC 3206 (AUTH-RESP-CODE), RFC 6856 (UTF8, LANG).
//
// What an account's POP3 shows, and what becomes of messages that were collected, is said by its policy: package service/maildrop.
//
// Line ends that are a bare LF in a stored message are sent as CRLF, and are so in the sizes that STAT and LIST tell.
// Messages with UTF-8 in their headers are sent as they are to all clients,
// also those that didn't say UTF8 (RFC 6856 §2.1 would have them refused): a
// message that a program shows badly is better than one that it can't fetch.
//
// Unique ids are UIDVALIDITY.item.content in hexadecimal: they stay when a message
// is moved away and back, and never come again, in this mailbox or one made anew. Messages that were
// imported may keep those of the server that they came from.
package pop3

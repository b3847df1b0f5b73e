package imap

import (
	"time"

	"postroad/internal/model/mailbox"
)

// Limits bounds what one client, and all of them together, may take. A zero
// field means its default.
type Limits struct {
	// Line is the longest command in bytes, literals not counted. Default 64 KiB.
	// RFC 9051 asks for no more than 8,192 (RFC 7162 §4); long lists of UIDs need more.
	Line int
	// Literal is the longest literal of a command other than a message to append, in bytes. Default 64 KiB.
	Literal int
	// Literals is the most bytes of such literals in one command. Default 256 KiB.
	Literals int
	// Message is the largest message that APPEND takes, in bytes. Default 150 MiB.
	Message int64
	// Copy is how many messages one COPY may name. Default, and at most, mailbox.MaxCopy.
	Copy int
	// Messages is how many messages one command may work on (MESSAGELIMIT, RFC 9738): FETCH, SEARCH, STORE, MOVE and UID EXPUNGE work on
	// the newest, the others are refused. 0: any number.
	Messages int
	// Depth is how deep parentheses, NOT and OR may nest in a command. Default 500:
	// programs chain hundreds of ORs.
	Depth int
	// BadCommands is how many commands with bad syntax in a row a session may send before it is closed. Default 20.
	// Before login a quarter of it is allowed, in a row or not.
	BadCommands int
	// LoginFailures is how many failed logins close the connection. Default 5.
	LoginFailures int

	// Login is how long a client may take to log in. Default 3 minutes.
	Login time.Duration
	// Idle is how long a client that has logged in may be silent; a command must be complete within it.
	// RFC 9051 §5.4 demands at least 30 minutes, the default.
	Idle time.Duration
	// Write is how long a client may take to read what fills the socket. Default 2 minutes.
	Write time.Duration
	// Progress is how often a client that waits for a long command is told that it goes on. Default 10 seconds.
	Progress time.Duration
	// LiteralRate is the fewest bytes a second at which a message to append must arrive on
	// average, after a grace of two minutes. Default 256.
	LiteralRate int64

	// Conns, ConnsPerAddr and ConnsPerAccount bound the open connections: all, from one address
	// (an IPv6 /64 counts as one), signed in to one account. Defaults 50,000, 5,000 and 2,000.
	Conns, ConnsPerAddr, ConnsPerAccount int
}

// withDefaults fills in what is zero.
func (l Limits) withDefaults() Limits {
	def(&l.Line, 64<<10)
	def(&l.Literal, 64<<10)
	def(&l.Literals, 256<<10)
	def(&l.Message, 150<<20)
	def(&l.Copy, mailbox.MaxCopy)
	l.Copy = min(l.Copy, mailbox.MaxCopy)
	if l.Messages > 0 {
		l.Copy = min(l.Copy, l.Messages)
	}
	def(&l.Depth, 500)
	def(&l.BadCommands, 20)
	def(&l.LoginFailures, 5)
	def(&l.Login, 3*time.Minute)
	def(&l.Idle, 30*time.Minute)
	def(&l.Write, 2*time.Minute)
	def(&l.Progress, 10*time.Second)
	def(&l.LiteralRate, 256)
	def(&l.Conns, 50_000)
	def(&l.ConnsPerAddr, 5000)
	def(&l.ConnsPerAccount, 2000)
	return l
}

// appends is how many messages one APPEND may bring.
func (l *Limits) appends() int {
	if l.Messages > 0 {
		return l.Messages
	}
	return maxAppend
}

// beforeLogin are the limits for strangers: room for a name and a password, a line of an authentication
// exchange or the longest ID (30 fields of 1,024 octets, RFC 2971 §3.3),
// so that many connections of theirs hold little memory.
func (l Limits) beforeLogin() Limits {
	l.Line = min(l.Line, 34<<10)
	l.Literal = min(l.Literal, 4<<10)
	l.Literals = min(l.Literals, 8<<10)
	return l
}

func def[T int | int64 | time.Duration](p *T, v T) {
	if *p == 0 {
		*p = v
	}
}

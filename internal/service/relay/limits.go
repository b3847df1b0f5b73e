package relay

import "time"

// Limits bound what a hop can cost us. A field that is zero (or less) has its default.
// The times are those of RFC 5321 §4.5.3.2, each for one reply as a whole.
type Limits struct {
	Connect   time.Duration // until there is a connection; 30 seconds
	Greeting  time.Duration // 5 minutes
	Hello     time.Duration // EHLO, STARTTLS with its handshake, and each step of AUTH; 2 minutes
	Mail      time.Duration // 5 minutes
	Rcpt      time.Duration // 5 minutes
	DataStart time.Duration // until the 354; 2 minutes
	DataBlock time.Duration // for each block of data to be taken; 3 minutes
	DataEnd   time.Duration // until the reply to the message; 10 minutes
	// Job bounds a whole Send, on top of what BytesPerSecond grants for the message; 30 minutes.
	Job time.Duration
	// BytesPerSecond is how fast the hop must take the message, on average; 1,000.
	BytesPerSecond int64

	// Hops is how many addresses are tried in one Send, those apart to which the machine has no way (IPv6, say); 5.
	Hops int
	// Sessions is how many of them are asked to take the message; 2.
	Sessions int
	// Recipients is how many one transaction has at most; 100, which every server has to take (RFC 5321 §4.5.3.1.8).
	Recipients int

	// Shun is for how long a host that could not be reached is tried after all others; 5 minutes.
	Shun time.Duration

	// IdleConns is how many connections without work are kept for more of it, in all; 100.
	IdleConns int
	// IdlePerHop is the same for one hop; 20, as many as the queue has attempts for one destination.
	IdlePerHop int
	// IdleTime is how long one is kept; 2 seconds.
	IdleTime time.Duration
	// Messages is how many transactions one connection serves; 100.
	Messages int
}

// What a reply may be: more than RFC 5321 §4.5.3.1.5 asks for, but bounded.
const (
	maxReplyLine  = 2048 // bytes, with its end
	maxReplyLines = 100
)

func (l Limits) withDefaults() Limits {
	orTime(&l.Connect, 30*time.Second)
	orTime(&l.Greeting, 5*time.Minute)
	orTime(&l.Hello, 2*time.Minute)
	orTime(&l.Mail, 5*time.Minute)
	orTime(&l.Rcpt, 5*time.Minute)
	orTime(&l.DataStart, 2*time.Minute)
	orTime(&l.DataBlock, 3*time.Minute)
	orTime(&l.DataEnd, 10*time.Minute)
	orTime(&l.Job, 30*time.Minute)
	orTime(&l.Shun, 5*time.Minute)
	orTime(&l.IdleTime, 2*time.Second)
	orInt(&l.Hops, 5)
	orInt(&l.Sessions, 2)
	orInt(&l.Recipients, 100)
	orInt(&l.IdleConns, 100)
	orInt(&l.IdlePerHop, 20)
	orInt(&l.Messages, 100)
	if l.BytesPerSecond <= 0 {
		l.BytesPerSecond = 1000
	}
	return l
}

func orTime(d *time.Duration, def time.Duration) {
	if *d <= 0 {
		*d = def
	}
}

func orInt(n *int, def int) {
	if *n <= 0 {
		*n = def
	}
}

// forBytes is how long so many bytes may take.
func (l *Limits) forBytes(n int64) time.Duration {
	return time.Duration(n/l.BytesPerSecond) * time.Second
}

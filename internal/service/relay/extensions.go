package relay

import (
	"strconv"
	"strings"
	"time"
)

// extensions are what a hop offers in its reply to EHLO or LHLO (RFC 5321 §4.1.1.1).
type extensions struct {
	pipelining, chunking, binary, eightBit, utf8, dsn, startTLS, requireTLS, priority bool

	size     bool
	maxSize  int64 // 0: none is told (RFC 1870 §4)
	by       bool
	minBy    time.Duration // RFC 2852
	auth     []string      // mechanisms
	maxMails int           // transactions in a session, RFC 9422 §4.1; 0: none is told
	maxRcpts int           // RFC 9422 §4.2; 0: none is told
}

// parseExtensions reads the lines after the first. What can't be read isn't offered.
func parseExtensions(lines []string) extensions {
	var e extensions
	for _, line := range lines {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		keyword, args := strings.ToUpper(words[0]), words[1:]
		if mech, old := strings.CutPrefix(keyword, "AUTH="); old { // servers older than RFC 2554
			keyword, args = "AUTH", append([]string{mech}, args...)
		}
		e.add(keyword, args)
	}
	e.binary = e.binary && e.chunking // RFC 3030 §3 (3)
	return e
}

func (e *extensions) add(keyword string, args []string) {
	switch keyword {
	case "PIPELINING":
		e.pipelining = true
	case "CHUNKING":
		e.chunking = true
	case "BINARYMIME":
		e.binary = true
	case "8BITMIME":
		e.eightBit = true
	case "SMTPUTF8":
		e.utf8 = true
	case "DSN":
		e.dsn = true
	case "STARTTLS":
		e.startTLS = true
	case "REQUIRETLS":
		e.requireTLS = true
	case "MT-PRIORITY":
		e.priority = true
	case "SIZE":
		e.size = true
		e.maxSize = number(args)
	case "DELIVERBY":
		e.by = true
		e.minBy = time.Duration(min(number(args), 1e9)) * time.Second
	case "AUTH":
		for _, a := range args {
			e.auth = append(e.auth, strings.ToUpper(a))
		}
	case "LIMITS":
		e.limits(args)
	}
}

func (e *extensions) limits(args []string) {
	for _, a := range args {
		name, v, _ := strings.Cut(strings.ToUpper(a), "=")
		n := int(min(number([]string{v}), 1<<30))
		switch name {
		case "MAILMAX":
			e.maxMails = n
		case "RCPTMAX":
			e.maxRcpts = n
		}
	}
}

// number reads the first argument; 0 if there is none that is one.
func number(args []string) int64 {
	if len(args) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

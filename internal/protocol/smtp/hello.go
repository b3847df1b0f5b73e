package smtp

import (
	"context"
	"strconv"
	"strings"
)

// EHLO, HELO (RFC 5321 §4.1.1.1) and LHLO (RFC 2033 §4.1). Their replies have no
// enhanced status codes (RFC 2034 §4).

var (
	replyNotLMTP  = reply{code: 500, status: "", text: "This is SMTP: say EHLO"}
	replyOnlyLMTP = reply{code: 500, status: "", text: "This is LMTP: say LHLO"}
	replyBadHello = reply{code: 501, status: "", text: "Your name is missing or not valid"}
)

func (s *session) ehlo(ctx context.Context, args []byte) reply {
	if s.opts.Mode == LMTP {
		return replyOnlyLMTP // RFC 2033 §4.1
	}
	return s.introduce(ctx, args, true)
}

func (s *session) lhlo(ctx context.Context, args []byte) reply {
	if s.opts.Mode != LMTP {
		return replyNotLMTP
	}
	return s.introduce(ctx, args, true)
}

func (s *session) hello(ctx context.Context, args []byte) reply {
	if s.opts.Mode == LMTP {
		return replyOnlyLMTP
	}
	return s.introduce(ctx, args, false)
}

// introduce takes the client's name. It need not be a domain: RFC 5321 §4.1.4
// forbids refusing mail for a name that doesn't check out, and many send oddities.
func (s *session) introduce(ctx context.Context, args []byte, extended bool) reply {
	name := strings.TrimRight(string(args), " ")
	if !isHelloName(name) {
		return replyBadHello
	}
	s.reset() // RFC 5321 §4.1.4
	if r := s.askHello(ctx, name); !r.ok() {
		return r
	}
	if r := s.scanHello(ctx, name); !r.ok() {
		return r
	}
	s.helo, s.extended = name, extended
	if !extended {
		return reply{code: 250, text: s.server.config.Hostname}
	}
	out := s.output()
	*out = s.appendExtensions(*out)
	return reply{}
}

// isHelloName accepts printable ASCII without spaces.
func isHelloName(name string) bool {
	for i := range len(name) {
		if name[i] <= ' ' || name[i] > '~' {
			return false
		}
	}
	return name != "" && len(name) <= maxDomain
}

// appendExtensions appends the reply to EHLO.
func (s *session) appendExtensions(b []byte) []byte {
	line := func(words ...string) {
		b = append(b, "250-"...)
		for _, w := range words {
			b = append(b, w...)
		}
		b = append(b, "\r\n"...)
	}
	line(s.server.config.Hostname)
	line("PIPELINING")
	line("SIZE ", strconv.FormatInt(s.limits.MessageBytes, 10))
	if s.startTLSOffered() {
		line("STARTTLS")
	}
	if m := s.mechanisms(); len(m) > 0 && s.who == nil {
		line("AUTH ", strings.Join(m, " "))
	}
	line("8BITMIME")
	line("SMTPUTF8")
	line("ENHANCEDSTATUSCODES")
	line("CHUNKING")
	line("BINARYMIME")
	line("DSN")
	s.appendLater(line)
	s.appendBURL(line)
	line("LIMITS MAILMAX=", strconv.Itoa(s.limits.Messages), " RCPTMAX=", strconv.Itoa(s.limits.Recipients))
	return append(b, "250 HELP\r\n"...)
}

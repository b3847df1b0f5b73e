package smtp

import (
	"strconv"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/delivery"
)

// reply is an answer to a command (RFC 5321 §4.2).
type reply struct {
	code   int
	status string // enhanced status code (RFC 3463); empty: none, as EHLO demands (RFC 2034 §4)
	text   string // ASCII, one line or several with LF between them, tells nothing about us
	close  bool   // hang up after it
}

// ok reports whether all is well so far.
func (r reply) ok() bool { return r.code < 400 && !r.close }

// bad reports whether the client has said something wrong: such replies are
// counted. A client that pipelines can't know that DATA won't have recipients.
func (r reply) bad() bool {
	return (r.code >= 500 && r.code <= 504 || r.code == 555) && r != replyNoRecipients
}

// closing is the same reply, after which the connection ends.
func (r reply) closing() reply {
	r.close = true
	return r
}

// appendTo appends the reply, each line of which has the codes (RFC 5321 §4.2.1, RFC 2034 §4).
func (r reply) appendTo(b []byte) []byte {
	for rest, more := r.text, true; more; {
		r.text, rest, more = strings.Cut(rest, "\n")
		b = r.appendLine(b, more)
	}
	return b
}

// appendLine appends a line. more: others follow.
func (r reply) appendLine(b []byte, more bool) []byte {
	b = strconv.AppendInt(b, int64(r.code), 10)
	if more {
		b = append(b, '-')
	} else {
		b = append(b, ' ')
	}
	if r.status != "" {
		b = append(append(b, r.status...), ' ')
	}
	return append(append(b, r.text...), "\r\n"...)
}

// Replies that commands share. Each command's own stand beside it.
var (
	replyOK = reply{code: 250, status: "2.0.0", text: "Ok"}

	replyLineTooLong  = reply{code: 500, status: "5.5.2", text: "Line too long"}
	replyBareNewline  = reply{code: 500, status: "5.5.2", text: "Lines must end with CR LF", close: true}
	replyControls     = reply{code: 500, status: "5.5.2", text: "Control characters are not allowed in commands"}
	replyUnknown      = reply{code: 500, status: "5.5.1", text: "Unknown command"}
	replyNoArguments  = reply{code: 501, status: "5.5.4", text: "This command takes no arguments"}
	replyNoHello      = reply{code: 503, status: "5.5.1", text: "Introduce yourself first"}
	replyNoMail       = reply{code: 503, status: "5.5.1", text: "MAIL first"}
	replyNoRecipients = reply{code: 503, status: "5.5.1", text: "No valid recipients"}
	replyAuthRequired = reply{code: 530, status: "5.7.0", text: "Authentication required"}

	replyTooManyErrors   = reply{code: 421, status: "4.7.0", text: "Too many errors, good bye", close: true}
	replyTooManyUnknown  = reply{code: 421, status: "4.7.0", text: "Too many unknown recipients, good bye", close: true}
	replyTooManyLogins   = reply{code: 421, status: "4.7.0", text: "Too many failed sign-ins, good bye", close: true}
	replyTooManyClients  = reply{code: 421, status: "4.7.0", text: "Too many connections, try again later", close: true}
	replyTooManyMessages = reply{code: 421, status: "4.7.0", text: "Too many messages in one session, connect again", close: true}
	replyTimeout         = reply{code: 421, status: "4.4.2", text: "Timeout, closing the connection", close: true}
	replyShutdown        = reply{code: 421, status: "4.3.2", text: "Shutting down, try again later", close: true}
	replyInternal        = reply{code: 421, status: "4.3.0", text: "Internal error, closing the connection", close: true}

	replyNoRoom     = reply{code: 452, status: "4.3.1", text: "Not enough room, try again later"}
	replyTooLarge   = reply{code: 552, status: "5.3.4", text: "Message too large"}
	replyTooMuch    = reply{code: 552, status: "5.3.4", text: "Message too large, closing the connection", close: true}
	replyBareInText = reply{code: 550, status: "5.6.0", text: "Message has a CR or LF that is not part of a line end CR LF"}
	replyLongHeader = reply{code: 552, status: "5.3.4", text: "The header is too large"}
	replyLongText   = reply{code: 554, status: "5.6.0", text: "Message has a line that is too long"}
	replyLoop       = reply{code: 554, status: "5.4.6", text: "Too many hops, this message is in a loop"}
)

// faultReplies says what each kind of failure is in SMTP. Commands to which a kind
// means something more exact say so themselves, beside this table.
var faultReplies = map[fault.Kind]reply{
	fault.Internal:        {code: 451, status: "4.3.0", text: "Internal error, try again later"},
	fault.NotFound:        {code: 550, status: "5.1.1", text: "No such mailbox here"},
	fault.Exists:          {code: 554, status: "5.5.0", text: "Already there"},
	fault.Denied:          {code: 550, status: "5.7.1", text: "Not permitted"},
	fault.Unauthenticated: replyAuthRequired,
	fault.Invalid:         {code: 553, status: "5.1.3", text: "Address not valid"},
	fault.TooLarge:        replyTooLarge,
	fault.OverQuota:       {code: 452, status: "4.2.2", text: "Mailbox full"},
	fault.Conflict:        {code: 451, status: "4.3.0", text: "Try again later"},
	fault.InUse:           {code: 450, status: "4.2.1", text: "Mailbox in use, try again later"},
	fault.RateLimited:     {code: 450, status: "4.7.1", text: "Too much at once, try again later"},
	fault.Unavailable:     {code: 451, status: "4.3.2", text: "Not available now, try again later"},
	fault.Unsupported:     {code: 550, status: "5.7.1", text: "Mail for this address is not handled here"},
	fault.Corrupt:         {code: 451, status: "4.3.0", text: "Internal error, try again later"},
	fault.Canceled:        {code: 451, status: "4.3.2", text: "Interrupted, try again later"},
}

// replyTo is the reply that tells of a failure.
func replyTo(err error) reply {
	if p := delivery.ProblemOf(err); p != nil {
		return reply{code: p.Code, status: p.Status, text: p.Text}
	}
	return faultReplies[fault.KindOf(err)]
}

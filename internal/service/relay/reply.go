package relay

import (
	"bufio"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"postroad/internal/service/transfer"
)

// reply is what a hop answers (RFC 5321 §4.2).
type reply struct {
	code  int
	lines []string // without their codes; never empty
}

var (
	errReplyLine  = errors.New("a line of the reply is too long")
	errReplyLines = errors.New("the reply has too many lines")
	errReplyForm  = errors.New("that is no SMTP reply")
	errStep       = errors.New("the host replied to what nobody asked")
)

// readReply reads one reply of bounded size. It takes lines that end with LF alone,
// and nothing else that RFC 5321 §4.2.1 doesn't: a reply whose lines have different
// codes could be read as one thing by us and as another by the next.
func readReply(in *bufio.Reader) (reply, error) {
	var r reply
	for len(r.lines) < maxReplyLines {
		line, err := readLine(in)
		if err != nil {
			return reply{}, err
		}
		code, text, more, ok := parseReplyLine(line)
		if !ok || r.code != 0 && code != r.code {
			return reply{}, errReplyForm
		}
		r.code = code
		r.lines = append(r.lines, string(text))
		if !more {
			return r, nil
		}
	}
	return reply{}, errReplyLines
}

// readLine returns a line without its end; it is valid until the next read.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull), err == nil && len(line) > maxReplyLine:
		return nil, errReplyLine
	case err != nil:
		return nil, err
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

// parseReplyLine reads: Reply-code [ ("-" / SP) textstring ].
func parseReplyLine(line []byte) (code int, text []byte, more, ok bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || !digit(line[1]) || !digit(line[2]) {
		return 0, nil, false, false
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 {
		return code, nil, false, true
	}
	more = line[3] == '-'
	return code, line[4:], more, more || line[3] == ' '
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func (r *reply) positive() bool  { return r.code/100 == 2 }
func (r *reply) permanent() bool { return r.code/100 == 5 }

// status returns the enhanced status code: the hop's own, if it has one of the reply's class
// (RFC 2034 §4), else what the reply code alone tells.
func (r *reply) status() string {
	if s := enhanced(r.lines[0]); s != "" && s[0] == byte('0'+r.code/100) {
		return s
	}
	return derived(r.code)
}

// text is the reply without codes on one line, fit for logs and notifications.
func (r *reply) text() string {
	var b strings.Builder
	for _, line := range r.lines {
		line = strings.TrimSpace(line[len(enhanced(line)):])
		if line != "" && b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(line)
		if b.Len() > transfer.MaxText {
			break
		}
	}
	return clean(b.String())
}

// enhanced returns the enhanced status code that a text begins with, or "": class "." subject
// "." detail, the latter of up to three digits (RFC 2034 §4, RFC 3463 §2).
func enhanced(s string) string {
	code, _, _ := strings.Cut(s, " ")
	class, rest, _ := strings.Cut(code, ".")
	subject, detail, _ := strings.Cut(rest, ".")
	if (class == "2" || class == "4" || class == "5") && upTo3Digits(subject) && upTo3Digits(detail) {
		return code
	}
	return ""
}

func upTo3Digits(s string) bool {
	if len(s) < 1 || len(s) > 3 {
		return false
	}
	for i := range len(s) {
		if !digit(s[i]) {
			return false
		}
	}
	return true
}

// derived is the enhanced status code of a reply that has none. Only codes with one meaning
// (RFC 5321 §4.2.2, RFC 4954 §4 and §6, RFC 7504) say more than their class.
func derived(code int) string {
	if s := derivedStatus[code]; s != "" {
		return s
	}
	return string(rune('0'+code/100)) + ".0.0"
}

var derivedStatus = map[int]string{
	421: "4.3.2", 432: "4.7.12", 450: "4.2.0", 451: "4.3.0", 452: "4.3.1", 454: "4.7.0",
	500: "5.5.2", 501: "5.5.4", 502: "5.5.1", 503: "5.5.1", 504: "5.5.4",
	521: "5.3.2", 530: "5.7.0", 534: "5.7.9", 535: "5.7.8", 538: "5.7.11",
	551: "5.1.6", 552: "5.3.4", 553: "5.1.3", 555: "5.5.4", 556: "5.1.10",
}

// clean makes a stranger's text fit for logs and notifications: valid UTF-8 without
// control or format characters, at most transfer.MaxText bytes.
func clean(s string) string {
	if len(s) > transfer.MaxText {
		s = s[:transfer.MaxText]
		for i := 0; i < utf8.UTFMax && !utf8.ValidString(s[max(0, len(s)-utf8.UTFMax):]); i++ {
			s = s[:len(s)-1]
		}
	}
	s = strings.ToValidUTF8(s, "?")
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || unicode.Is(unicode.Zl, c) || unicode.Is(unicode.Zp, c) {
			return '?'
		}
		return c
	}, s)
}

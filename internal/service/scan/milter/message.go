package milter

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
)

// message goes through all steps of a message.
func (t *talk) message(m *scan.Message, f *scan.Finding) error {
	for _, part := range []func(*scan.Message, *scan.Finding) (bool, error){t.client, t.envelope, t.header, t.body} {
		if done, err := part(m, f); done || err != nil {
			return err
		}
	}
	return nil
}

// client tells who brings it.
func (t *talk) client(m *scan.Message, f *scan.Finding) (bool, error) {
	literal, name := "", m.Name()
	where := []byte{'U'} // SMFIA_UNKNOWN
	if a := m.Client.Unmap().WithZone(""); a.IsValid() {
		literal = a.String()
		family := byte('4')
		if a.Is6() {
			family = '6'
		}
		where = append([]byte{family, 0, 0}, cstring(literal)...) // we aren't told the port
	}
	if name == "" {
		name = "[" + literal + "]"
		if literal == "" {
			name = "localhost"
		}
	}
	t.macros(cmdConnect, "j", m.Hostname, "{daemon_name}", "postroad", "v", "Postroad", "_", name+" ["+literal+"]", "{client_addr}", literal, "{client_name}", name)
	if done, err := t.take(f, step{noConnect, quietConnect, cmdConnect, [][]byte{cstring(name), where}}); done || err != nil {
		return done, err
	}
	t.macros(cmdHelo, "{tls_version}", m.TLSVersion, "{cipher}", m.Cipher)
	return t.take(f, step{noHelo, quietHelo, cmdHelo, [][]byte{cstring(m.Helo)}})
}

// envelope tells from whom and to whom it is, and that the message comes.
func (t *talk) envelope(m *scan.Message, f *scan.Finding) (bool, error) {
	if done, err := t.addresses(m, f); done || err != nil {
		return done, err
	}
	t.macros(cmdData, "i", m.ID)
	return t.take(f, step{noData, quietData, cmdData, nil})
}

// addresses tells sender and recipients.
func (t *talk) addresses(m *scan.Message, f *scan.Finding) (bool, error) {
	kind := ""
	if m.Login != "" {
		kind = "SASL"
	}
	t.macros(cmdMail, "i", m.ID, "{mail_addr}", m.From, "{mail_host}", hostOf(m.From), "{mail_mailer}", "smtp", "{auth_authen}", m.Login, "{auth_type}", kind)
	if done, err := t.take(f, step{noMail, quietMail, cmdMail, [][]byte{cstring("<" + m.From + ">")}}); done || err != nil {
		return done, err
	}
	for _, to := range m.To {
		t.macros(cmdRcpt, "i", m.ID, "{rcpt_addr}", to, "{rcpt_host}", hostOf(to), "{rcpt_mailer}", "smtp")
		if done, err := t.take(f, step{noRcpt, quietRcpt, cmdRcpt, [][]byte{cstring("<" + to + ">")}}); done || err != nil {
			return done, err // it was asked about each before: all is refused now, and nothing is lost in silence
		}
	}
	return false, nil
}

func hostOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// maxHeader is the largest header that filters are shown, in bytes, and maxFields how many fields: most filters answer to each.
const (
	maxHeader = 1 << 20
	maxFields = 5000
)

// header tells the message's header, field by field.
func (t *talk) header(m *scan.Message, f *scan.Finding) (bool, error) {
	head, err := headerOf(m)
	if err != nil {
		return false, err
	}
	for n := 0; len(head) > 0; n++ {
		if n == maxFields {
			return false, fault.New(fault.Unsupported, "the message's header has too many fields for milters")
		}
		var field []byte
		field, head = cutField(head)
		name, value, ok := bytes.Cut(field, []byte(":"))
		if !ok {
			continue // no field at all
		}
		v := strings.ReplaceAll(strings.TrimSuffix(string(value), "\r\n"), "\r\n", "\n") // as filters know folded fields
		if !t.has(leadingSpace) {
			v = strings.TrimPrefix(v, " ")
		}
		if done, err := t.take(f, step{noHeaders, quietHeader, cmdHeader, [][]byte{cstring(strings.TrimRight(string(name), " \t")), cstring(v)}}); done || err != nil {
			return done, err
		}
	}
	t.macros(cmdEOH, "i", m.ID)
	return t.take(f, step{noEOH, quietEOH, cmdEOH, nil})
}

// headerOf reads the header, without the empty line behind it.
func headerOf(m *scan.Message) ([]byte, error) {
	for n := int64(8 << 10); ; n *= 4 {
		n = min(n, m.Size, maxHeader)
		b := make([]byte, n)
		if got, err := m.Content.ReadAt(b, 0); got < len(b) {
			return nil, fault.Wrap(fault.Unavailable, err, "the message can't be read")
		}
		if bytes.HasPrefix(b, []byte("\r\n")) {
			return nil, nil
		}
		if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
			return b[:i+2], nil
		}
		if n == m.Size {
			return b, nil
		}
		if n == maxHeader {
			return nil, fault.New(fault.Unsupported, "the message's header is too large for milters")
		}
	}
}

// cutField parts the first field, with its line ends, from those behind it.
func cutField(head []byte) (field, rest []byte) {
	for i := 0; ; {
		n := bytes.Index(head[i:], []byte("\r\n"))
		if n < 0 {
			return head, nil
		}
		if i += n + 2; i == len(head) || head[i] != ' ' && head[i] != '\t' {
			return head[:i], head[i:]
		}
	}
}

// body shows the body, and hears what is to become of the message.
func (t *talk) body(m *scan.Message, f *scan.Finding) (bool, error) {
	head, err := headerOf(m)
	if err != nil {
		return false, err
	}
	from := min(int64(len(head))+2, m.Size)
	r := io.NewSectionReader(m.Content, from, m.Size-from)
	buf := make([]byte, min(chunk, m.Size-from))
	for !t.has(noBody) {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			skip, done, err := t.piece(buf[:n], f)
			if done || err != nil {
				return done, err
			}
			if skip {
				break
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF || n == 0 {
			break
		}
		if err != nil {
			return false, fault.Wrap(fault.Unavailable, err, "the message can't be read")
		}
	}
	t.macros(cmdEnd, "i", m.ID)
	t.put(cmdEnd)
	return true, t.end(f)
}

// piece shows a piece of the body. skip: the filter wants no more.
func (t *talk) piece(b []byte, f *scan.Finding) (skip, done bool, err error) {
	t.put(cmdBody, b)
	if t.has(quietBody) {
		return false, false, nil
	}
	p, err := t.answer()
	if err == nil && p.letter == actSkip && t.has(canSkip) {
		return true, false, nil
	}
	if err == nil {
		done, err = decide(f, p)
	}
	return false, done, err
}

// maxWishes bounds what a filter wants changed, in bytes, of which each counts perWish besides its own: three times the fields that are taken of it.
const (
	maxWishes = 2 << 20
	perWish   = 1 << 10
)

// end hears what the filter wants changed, and what is to become of the message.
func (t *talk) end(f *scan.Finding) error {
	var w wishes
	for room := maxWishes; room >= 0; {
		p, err := t.answer()
		if err != nil {
			return err
		}
		room -= len(p.data) + perWish
		if known, err := w.add(p); err != nil {
			return err
		} else if known {
			continue
		}
		if _, err := decide(f, p); err != nil {
			return err
		}
		return w.fulfil(f)
	}
	return fault.New(fault.Unsupported, "it wants too much changed")
}

// decide reads a filter's decision. done: nothing more needs to be said.
func decide(f *scan.Finding, p packet) (done bool, err error) {
	switch p.letter {
	case actContinue:
		return false, nil
	case actAccept:
		return true, nil
	case actReject:
		f.Action = scan.Reject
	case actTempFail:
		f.Action = scan.TempFail
	case actDiscard:
		f.Action = scan.Discard
	case actReplyCode:
		return true, replyCode(f, p.data)
	case actShutdown, actConnFail:
		return false, fault.New(fault.Unavailable, "it shuts down")
	default:
		return false, errNoMilter()
	}
	return true, nil
}

// maxReply is how long a reply's text may get, in bytes; what follows is left out.
const maxReply = 1000

// replyCode reads a reply that the filter wants said: "550 5.7.1 text", of one line or several.
func replyCode(f *scan.Finding, data []byte) error {
	all, ok := texts(data)
	if !ok || len(all) != 1 || len(all[0]) < 3 {
		return errNoMilter()
	}
	for i, line := range strings.Split(strings.ReplaceAll(all[0], "\r\n", "\n"), "\n") {
		code, rest := line[:min(3, len(line))], strings.TrimLeft(line[min(3, len(line)):], " -")
		if i == 0 {
			for _, c := range code {
				f.Code = f.Code*10 + int(c-'0')
			}
		}
		if status, text, ok := strings.Cut(rest, " "); ok && strings.Count(status, ".") == 2 && strings.Trim(status, "0123456789.") == "" {
			f.Status, rest = status, text
		}
		if f.Text = strings.TrimSpace(f.Text + " " + rest); len(f.Text) > maxReply {
			break
		}
	}
	switch f.Code / 100 {
	case 4:
		f.Action = scan.TempFail
	case 5:
		f.Action = scan.Reject
	default:
		return errNoMilter()
	}
	f.Reason = f.Text
	return nil
}

// wishes are what a filter wants changed.
type wishes struct {
	front, back []scan.Field // that go in front of others, and behind them
	quarantine  string
	held        bool
	unmet       string // what can't be done and doesn't matter
	failed      string // what can't be done, and does
}

// add notes a wish; known is false if the packet is none.
func (w *wishes) add(p packet) (known bool, err error) {
	switch p.letter {
	case actAddHeader:
		x, ok := fieldOf(p.data)
		w.back = append(w.back, x)
		return true, whole(ok)
	case actInsHeader:
		if len(p.data) < 4 {
			return true, errNoMilter()
		}
		x, ok := fieldOf(p.data[4:])
		if binary.BigEndian.Uint32(p.data) <= 1 {
			w.front = append([]scan.Field{x}, w.front...)
		} else {
			w.back = append(w.back, x)
		}
		return true, whole(ok)
	case actQuarantine:
		all, ok := texts(p.data)
		if w.held = true; len(all) > 0 {
			w.quarantine = all[0]
		}
		return true, whole(ok)
	case actChgHeader:
		w.unmet = "it wants header fields changed, which isn't done"
	case actReplBody:
		w.failed = "it wants another body, which isn't done"
	case actAddRcpt, actDelRcpt, actAddRcptPar, actChgFrom:
		w.failed = "it wants another envelope, which isn't done"
	default:
		return false, nil
	}
	return true, nil
}

// fieldOf reads a field's name and value.
func fieldOf(data []byte) (scan.Field, bool) {
	all, ok := texts(data)
	if !ok || len(all) != 2 {
		return scan.Field{}, false
	}
	return scan.Field{Name: all[0], Value: all[1]}, true
}

func whole(ok bool) error {
	if !ok {
		return errNoMilter()
	}
	return nil
}

// fulfil does what can be done, unless the message is refused anyway.
func (w *wishes) fulfil(f *scan.Finding) error {
	if f.Action != scan.Accept {
		return nil
	}
	if w.failed != "" {
		return fault.New(fault.Unsupported, "%s", w.failed)
	}
	f.Fields, f.Reason = append(w.front, w.back...), w.unmet
	if w.held {
		f.Action, f.Reason = scan.Quarantine, w.quarantine
	}
	return nil
}

package milter

import (
	"encoding/binary"
	"io"
	"strings"
	"sync"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
)

// client tells who has connected.
func (t *talk) client(m *scan.Message, f *scan.Finding, at scan.Stage) (bool, error) {
	if t.heard.client || at == scan.AtConnect && t.has(noConnect) { // it can wait, and the client needn't wait for its name
		return false, nil
	}
	t.heard.client = true
	where := []byte{'U'} // SMFIA_UNKNOWN
	if a := m.Client.Unmap(); a.IsValid() {
		family := byte('4')
		if a.Is6() {
			family = '6'
		}
		where = append(binary.BigEndian.AppendUint16([]byte{family}, m.Port), cstring(literal(a))...)
	}
	t.macros(cmdConnect, m, -1)
	return t.take(f, step{noConnect, quietConnect, cmdConnect, [][]byte{cstring(clientName(m)), where}})
}

// hello tells what it calls itself.
func (t *talk) hello(m *scan.Message, f *scan.Finding, _ scan.Stage) (bool, error) {
	if t.heard.helo {
		return false, nil
	}
	t.heard.helo = true
	t.macros(cmdHelo, m, -1)
	return t.take(f, step{noHelo, quietHelo, cmdHelo, [][]byte{cstring(m.Helo)}})
}

// sender tells who the message is from.
func (t *talk) sender(m *scan.Message, f *scan.Finding, _ scan.Stage) (bool, error) {
	if t.heard.mail {
		return false, nil
	}
	t.heard.mail = true
	t.macros(cmdMail, m, -1)
	return t.take(f, step{noMail, quietMail, cmdMail, path(m.From, m.FromArgs)})
}

// path is an address with its parameters.
func path(address string, args []string) [][]byte {
	all := [][]byte{cstring("<" + address + ">")}
	for _, a := range args {
		all = append(all, cstring(a))
	}
	return all
}

// recipients tells those that the filter doesn't know. At scan.AtRecipient it has never heard of the last.
func (t *talk) recipients(m *scan.Message, f *scan.Finding, at scan.Stage) (bool, error) {
	first := t.heard.recipients
	if at == scan.AtRecipient {
		first = min(first, len(m.To)-1)
	}
	for i := first; i < len(m.To); i++ {
		var args []string
		if i < len(m.ToArgs) {
			args = m.ToArgs[i]
		}
		t.macros(cmdRcpt, m, i)
		done, err := t.take(f, step{noRcpt, quietRcpt, cmdRcpt, path(m.To[i], args)})
		if done || err != nil {
			return done, err
		}
		t.heard.recipients = i + 1
	}
	return false, nil
}

// dataBegins tells that the message comes.
func (t *talk) dataBegins(m *scan.Message, f *scan.Finding, _ scan.Stage) (bool, error) {
	if t.heard.data {
		return false, nil
	}
	t.heard.data = true
	t.macros(cmdData, m, -1)
	return t.take(f, step{noData, quietData, cmdData, nil})
}

// content shows the message, and hears what is to become of it.
func (t *talk) content(m *scan.Message, f *scan.Finding, _ scan.Stage) (bool, error) {
	head, err := m.Header()
	if err != nil {
		return false, err
	}
	if done, err := t.header(m, head, f); done || err != nil {
		return done, err
	}
	if done, err := t.body(m, int64(len(head)), f); done || err != nil {
		return done, err
	}
	t.macros(cmdEnd, m, -1)
	t.put(cmdEnd)
	if err := t.end(m, f); err != nil {
		return false, err
	}
	t.heard.mail = false
	t.abort() // which says nothing then
	return true, nil
}

// header tells the message's header, field by field, with those that others have put in front.
func (t *talk) header(m *scan.Message, head []byte, f *scan.Finding) (bool, error) {
	for _, x := range m.Front {
		if done, err := t.field(x.Name, " "+x.Value, f); done || err != nil {
			return done, err
		}
	}
	for n := 0; len(head) > 0; n++ {
		if n == scan.MaxHeaderFields {
			return false, fault.New(fault.Unsupported, "the message's header has too many fields for milters")
		}
		var raw []byte
		raw, head = scan.CutField(head)
		name, value, ok := scan.FieldName(raw)
		if !ok {
			continue // no field at all
		}
		if done, err := t.field(name, strings.TrimSuffix(string(value), "\r\n"), f); done || err != nil {
			return done, err
		}
	}
	t.macros(cmdEOH, m, -1)
	return t.take(f, step{noEOH, quietEOH, cmdEOH, nil})
}

// field tells a field, of which value is all behind the colon.
func (t *talk) field(name, value string, f *scan.Finding) (bool, error) {
	value = strings.ReplaceAll(value, "\r\n", "\n") // as filters know folded fields
	if !t.has(leadingSpace) {
		value = strings.TrimPrefix(value, " ")
	}
	return t.take(f, step{noHeaders, quietHeader, cmdHeader, [][]byte{cstring(name), cstring(value)}})
}

// pieces have room for a piece of a body.
var pieces = sync.Pool{New: func() any { return new([chunk]byte) }}

// body shows the body, which is behind a header of so many bytes and an empty line.
func (t *talk) body(m *scan.Message, header int64, f *scan.Finding) (bool, error) {
	from := min(header+2, m.Size)
	r := io.NewSectionReader(m.Content, from, m.Size-from)
	room := pieces.Get().(*[chunk]byte)
	defer pieces.Put(room)
	buf := room[:min(chunk, m.Size-from)]
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
	return false, nil
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

// maxReply is how many lines of a reply's text are taken, as many as libmilter allows.
const maxReply = 32

// replyCode reads a reply that the filter wants said: "550 5.7.1 text", of one line or several.
func replyCode(f *scan.Finding, data []byte) error {
	all, ok := texts(data)
	if !ok || len(all) != 1 || len(all[0]) < 3 {
		return errNoMilter()
	}
	var text []string
	for line := range strings.SplitSeq(strings.ReplaceAll(all[0], "\r\n", "\n"), "\n") {
		code, rest := line[:min(3, len(line))], strings.TrimLeft(line[min(3, len(line)):], " -")
		if len(text) == 0 {
			for _, c := range code {
				f.Code = f.Code*10 + int(c-'0')
			}
		}
		if status, behind, _ := strings.Cut(rest, " "); strings.Count(status, ".") == 2 && strings.Trim(status, "0123456789.") == "" {
			f.Status, rest = status, behind
		}
		if text = append(text, strings.TrimSpace(rest)); len(text) == maxReply {
			break
		}
	}
	f.Text = strings.TrimRight(strings.Join(text, "\n"), "\n")
	switch f.Code / 100 {
	case 4:
		f.Action = scan.TempFail
	case 5:
		f.Action = scan.Reject
	default:
		return errNoMilter()
	}
	f.Reason = strings.ReplaceAll(f.Text, "\n", " ")
	return nil
}

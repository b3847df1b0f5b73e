package milter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
	"postroad/internal/service/scan/scantest"
	"postroad/internal/service/transcript"
)

// TestTranscripts plays testdata/*.txt, each conversation with a filter of its own.
func TestTranscripts(t *testing.T) {
	transcript.Run(t, func(t *testing.T, s transcript.Script) {
		var want []string
		f := &filterRole{t: t, done: make(chan struct{})}
		for _, l := range s {
			if l.Word == "=>" {
				want = append(want, l.Rest)
				continue
			}
			f.lines = append(f.lines, l)
		}
		c := scanner(scantest.Serve(f.serve))
		m := letter(text)
		m.Limit, m.Draft = 1<<20, func() scan.Draft { return &memory{} }
		found, err := c.Scan(t.Context(), m)
		c.(io.Closer).Close()
		<-f.done
		if got := tell(found, err); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: it comes to\n%s\nwant\n%s", s[0].At, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if len(f.lines) > 0 {
			t.Errorf("%s was never reached", f.lines[0].At)
		}
	})
}

// filterRole is a filter that plays its part of a conversation.
type filterRole struct {
	t     *testing.T
	lines transcript.Script // those that are to come
	done  chan struct{}
}

func (f *filterRole) serve(c net.Conn) {
	defer close(f.done)
	w := newWire(c)
	for {
		p, err := w.next()
		if err != nil || p.letter == cmdQuit {
			return
		}
		hear, due := f.expected(spell(p)), strings.IndexByte("CHMRTLNBE", p.letter) >= 0
		said := f.answers()
		for _, a := range said {
			if a == "(hangs up)" {
				return
			}
			letter, data, err := compose(a)
			if err != nil {
				f.t.Errorf("%s: %v", a, err)
			}
			w.put(letter, data)
		}
		switch {
		case len(said) > 0:
		case p.letter == cmdOptions:
			w.put(cmdOptions, []byte("\x00\x00\x00\x06\x00\x00\x01\xff\x00\x00\x00\x00"))
		case due:
			w.put(actContinue)
		}
		if !hear || w.flush() != nil {
			return
		}
	}
}

// expected takes what we said off the script; false: it isn't what stands there.
func (f *filterRole) expected(said string) bool {
	for len(f.lines) > 0 && f.lines[0].Word == "P:" {
		l := f.lines[0]
		switch {
		case l.Rest == "..." && (len(f.lines) == 1 || !transcript.Fits(said, f.lines[1].Rest, "*")):
			return true
		case l.Rest == "...":
			f.lines = f.lines[1:]
			continue
		case transcript.Fits(said, l.Rest, "*"):
			f.lines = f.lines[1:]
			return true
		case said[0] == cmdMacro: // macros are looked at where a conversation names them
			return true
		}
		f.t.Errorf("%s: we say %s, want %s", l.At, said, l.Rest)
		return false
	}
	return true
}

// answers are the filter's next lines.
func (f *filterRole) answers() (all []string) {
	for len(f.lines) > 0 && (f.lines[0].Word == "F:" || f.lines[0].Word == "F>") {
		l := f.lines[0]
		if f.lines = f.lines[1:]; l.Word == "F>" {
			l.Rest = "> " + l.Rest
		}
		all = append(all, l.Rest)
	}
	return all
}

// numbers are how many numbers of four bytes stand in front of a packet's texts.
var numbers = map[byte]int{cmdOptions: 3, actInsHeader: 1, actChgHeader: 1}

// spell writes a packet of ours as a line.
func spell(p packet) string {
	line, rest := []byte{p.letter}, p.data
	switch p.letter {
	case cmdMacro:
		line, rest = append(line, ' ', rest[0]), rest[1:]
	case cmdBody:
		return "B " + strconv.Quote(string(rest))
	case cmdConnect: // a name, the family, a port, an address
		name, after, _ := strings.Cut(string(rest), "\x00")
		return fmt.Sprintf("C %q %c %d %q", name, after[0], binary.BigEndian.Uint16([]byte(after[1:])), strings.TrimSuffix(after[3:], "\x00"))
	}
	for range numbers[p.letter] {
		line = fmt.Appendf(line, " %x", binary.BigEndian.Uint32(rest))
		rest = rest[4:]
	}
	for len(rest) > 0 {
		text, after, _ := strings.Cut(string(rest), "\x00")
		line, rest = fmt.Appendf(line, " %q", text), []byte(after)
	}
	return string(line)
}

var word = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\S+`)

// compose makes a packet of a line.
func compose(line string) (letter byte, data []byte, err error) {
	words := word.FindAllString(line, -1)
	if words[0] == ">" {
		raw, err := strconv.Unquote(words[1])
		return raw[0], []byte(raw[1:]), err
	}
	for _, w := range words[1:] {
		if w[0] == '"' {
			text, err := strconv.Unquote(w)
			if err != nil {
				return 0, nil, err
			}
			data = append(append(data, text...), 0)
			continue
		}
		n, err := strconv.ParseUint(w, 16, 32)
		if err != nil {
			return 0, nil, err
		}
		data = binary.BigEndian.AppendUint32(data, uint32(n))
	}
	if len(words[0]) != 1 {
		return 0, nil, errors.New("no letter of a packet")
	}
	return words[0][0], data, nil
}

// tell says what was found, a line for each part of it.
func tell(f scan.Finding, err error) (all []string) {
	if err != nil {
		return []string{"fails: " + fault.KindOf(err).String()}
	}
	verdict := f.Action.String()
	if f.Code != 0 {
		verdict += fmt.Sprintf(" %d %s %s", f.Code, f.Status, strings.ReplaceAll(f.Text, "\n", " / "))
	} else if f.Reason != "" {
		verdict += " " + f.Reason
	}
	all = append(all, verdict)
	for _, x := range f.Fields {
		all = append(all, fmt.Sprintf("in front: %s: %q", x.Name, x.Value))
	}
	if f.Changes == nil {
		return all
	}
	for _, h := range f.Changes.Header {
		act := map[scan.HeaderAct]string{scan.SetField: "set", scan.AddField: "add", scan.RemoveField: "remove"}[h.Do]
		all = append(all, fmt.Sprintf("%s %s %d %q", act, h.Name, h.Place, h.Value))
	}
	for _, e := range f.Changes.Envelope {
		act := map[scan.EnvelopeAct]string{scan.SetSender: "sender", scan.AddRecipient: "add recipient", scan.RemoveRecipient: "remove recipient"}[e.Do]
		all = append(all, act+" <"+e.Address+">")
	}
	if b, ok := f.Changes.Body.(*memory); ok {
		all = append(all, "body "+strconv.Quote(b.String()))
	}
	return all
}

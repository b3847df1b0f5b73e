package signs

import (
	"io"
	"strings"
	"sync"

	"postroad/internal/format/message"
)

// Bounds on what is looked at.
const (
	// maxBody is how much of each text, decoded, and maxBodies how much of all texts and files of one message.
	maxBody   = 128 << 10
	maxBodies = 512 << 10
	// maxParts is how many parts.
	maxParts = 200
	// maxHosts is how many different hosts of links are remembered, and maxLinks how many links are looked at.
	maxHosts = 64
	maxLinks = 1000
)

// Facts are what is known of a message besides its bytes.
type Facts struct {
	// Checked: somebody has looked whether the author's domain is proved, and Proven: it is (by SPF or DKIM, in line with From).
	Checked, Proven bool
	// Vouched are the domains that are proved to have to do with the message, in lower case: those that signed it, and that of the
	// reverse-path. A service that sends for others and counts clicks is among them.
	Vouched []string
	// Local reports whether a domain is ours; nil: none is.
	Local func(domain string) bool
	// Usual reports whether mail of a domain is proved as a rule; nil: nobody knows.
	Usual func(domain string) bool
	// Keep is called with what Look has read of a text whose transfer encoding it has undone, for others who want to read it: where the text begins in msg, and
	// whether that is all of it. The octets may be changed after it returns. nil: nobody does.
	Keep func(offset int64, decoded []byte, all bool)
}

// Message is a message that was looked at. It holds what is needed to tell each recipient's signs, and not the message. It is immutable.
type Message struct {
	from    message.Address
	name    string // decoded
	domain  string // of from, in lower case, A-labels
	subject string
	hurry   bool     // see urgent
	key     string   // see NameKey
	site    site     // domain
	hosts   []string // of links, each once, as domain is
	sites   []site   // hosts
	all     found

	links    int
	*looking // nil once it was looked at
}

// looking is what it takes to look at a message.
type looking struct {
	facts  Facts
	msg    io.ReaderAt
	room   int // of maxBodies
	buffer []byte
	base   []byte // what links without a host lead to; nil: nothing
	// unclosed is how many tags had a quote that nobody closed.
	unclosed int
	// leads are links that were taken apart already, by what they begin with; next is the one to be forgotten.
	leads [8]lead
	next  int
}

// idle are those that nobody uses, for their buffers.
var idle = sync.Pool{New: func() any { return new(looking) }}

// Look finds a message's signs. msg has the bytes that s describes; it isn't used any more afterwards.
func Look(s *message.Structure, msg io.ReaderAt, f Facts) *Message {
	l := idle.Get().(*looking)
	*l = looking{facts: f, msg: msg, room: maxBodies, buffer: l.buffer}
	m := &Message{looking: l}
	m.author(s.Envelope)
	m.replies(s.Envelope)
	m.key, m.hurry = NameKey(m.name), urgent(m.subject)
	parts := 0
	s.Root.Walk(func(p *message.Part) bool {
		parts++
		if parts > maxParts {
			return false
		}
		m.part(p)
		return true
	})
	if cap(l.buffer) > maxBody {
		l.buffer = nil
	}
	*l = looking{buffer: l.buffer}
	m.looking = nil
	idle.Put(l)
	return m
}

// Signs are what the message shows to everybody, at most MaxSigns. They must not be changed.
func (m *Message) Signs() []Sign { return m.all }

// Domain is that of the author, in lower case and A-labels; "" if there is none.
func (m *Message) Domain() string { return m.domain }

// Hosts are those that links lead to, each once, in lower case; 64 at most. They must not be changed.
func (m *Message) Hosts() []string { return m.hosts }

// part looks at a part of the message.
func (m *Message) part(p *message.Part) {
	name := p.Filename()
	if name != "" || p.Disposition == "attachment" {
		m.file(p, name)
		return
	}
	if p.Type != "text" || p.BodySize == 0 {
		return
	}
	switch body := m.read(p); p.Subtype {
	case "html":
		m.html(body)
	default:
		m.plainLinks(body)
	}
}

// lower is s in lower case without a dot at its end.
func lower(s string) string { return strings.TrimSuffix(strings.ToLower(s), ".") }

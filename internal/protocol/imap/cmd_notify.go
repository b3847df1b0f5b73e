package imap

import "context"

// eventGroup is events, and where they are to happen.
type eventGroup struct {
	mailboxFilter
	events
}

// events are kinds of things that happen (RFC 5465 §5).
type events struct {
	messages bool        // MessageNew and MessageExpunge
	news     []attribute // what to tell of new messages
	newsRead bool        // that needs their summaries
	flags    bool        // FlagChange
	names    bool        // MailboxName
	subs     bool        // SubscriptionChange
	metadata bool        // MailboxMetadataChange
	server   bool        // ServerMetadataChange
}

// supportedEvents are those that BADEVENT lists.
const supportedEvents = "MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange"

// maxEventGroups bounds a NOTIFY command.
const maxEventGroups = 1000

// notifyCommand is NOTIFY: RFC 5465 §3.1. What is new in the selected mailbox is told after it, as after any command.
func (s *session) notifyCommand(ctx context.Context) (reply, error) {
	d := &s.dec
	n := &notifying{}
	status := false
	d.sp()
	switch d.keyword() {
	case "NONE":
	case "SET":
		d.sp()
		if status = d.tryKeyword("STATUS"); status {
			d.sp()
		}
		if err := n.parse(s); err != nil {
			return reply{}, err
		}
	default:
		d.expected("SET or NONE")
	}
	if err := d.end(); err != nil {
		return reply{}, err
	}
	if err := n.look(ctx, s); err != nil {
		return reply{}, err
	}
	s.notify = n
	return reply{text: "you will hear of it"}, n.introduce(ctx, s, status)
}

// parse consumes event-groups.
func (n *notifying) parse(s *session) error {
	d := &s.dec
	unknown := false
	for first := true; d.ok() && (first || d.trySP()); first = false {
		d.special('(')
		g := eventGroup{mailboxFilter: s.mailboxFilter()}
		d.sp()
		unknown = g.parse(s) || unknown
		d.special(')')
		switch {
		case !d.ok():
		case g.kind == "subtree-one":
			d.fail("subtree-one is for ESEARCH")
		case g.selects() && n.selected != nil:
			d.fail("selected or selected-delayed, and once") // RFC 5465 §6.1
		case g.selects():
			n.selected, n.delayed = &g, g.kind == "selected-delayed"
		default:
			n.groups = append(n.groups, g)
		}
		if len(n.groups) > maxEventGroups {
			return no("NOTIFICATIONOVERFLOW", "that is too much")
		}
	}
	if unknown && d.ok() && d.atEnd() {
		return no("BADEVENT ("+supportedEvents+")", "no such event") // RFC 5465 §3.1
	}
	return nil
}

// parse consumes events; it reports whether there is one that isn't known.
func (g *eventGroup) parse(s *session) (unknown bool) {
	d := &s.dec
	if d.tryKeyword("NONE") {
		return false
	}
	var fresh, gone, others bool
	d.list(func() {
		name := d.keyword()
		switch name {
		case "MESSAGENEW":
			fresh = true
			g.parseNews(s)
		case "MESSAGEEXPUNGE":
			gone = true
		case "FLAGCHANGE":
			g.flags = true
		case "MAILBOXNAME":
			g.names = true
		case "SUBSCRIPTIONCHANGE":
			g.subs = true
		case "MAILBOXMETADATACHANGE":
			g.metadata = true
		case "SERVERMETADATACHANGE":
			g.server = true
		default:
			unknown = true
		}
		others = others || name != "MESSAGENEW" && name != "MESSAGEEXPUNGE" && name != "FLAGCHANGE"
	})
	g.messages = fresh && gone
	switch {
	case !d.ok() || unknown:
	case fresh != gone, g.flags && !fresh: // RFC 5465 §5
		d.fail("MessageNew, MessageExpunge and FlagChange go together")
	case g.selects() && others: // RFC 5465 §6.1
		d.fail("selected is for events of messages")
	case !g.selects() && len(g.news) > 0:
		d.fail("attributes are for the selected mailbox")
	}
	return unknown
}

// parseNews consumes what is to be told of new messages, if anything.
func (g *eventGroup) parseNews(s *session) {
	if !s.dec.tryText(" (") {
		return
	}
	s.dec.pos-- // the parenthesis is the list's
	f := &fetching{s: s}
	f.parseAttributes(&s.dec)
	g.news, g.newsRead = f.atts, f.records
}

func (n *notifying) any(is func(*eventGroup) bool) bool {
	for i := range n.groups {
		if is(&n.groups[i]) {
			return true
		}
	}
	return false
}

func wantsServer(g *eventGroup) bool { return g.server }
func wantsSubs(g *eventGroup) bool   { return g.subs }

// filters are those of all groups.
func (n *notifying) filters() []mailboxFilter {
	all := make([]mailboxFilter, len(n.groups))
	for i := range n.groups {
		all[i] = n.groups[i].mailboxFilter
	}
	return all
}

// reaches reports whether folders of others are among what is to be told of.
func (n *notifying) reaches() bool {
	return n != nil && n.any(func(g *eventGroup) bool { return g.mailboxFilter.reaches() })
}

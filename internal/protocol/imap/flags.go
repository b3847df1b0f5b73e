package imap

import (
	"strings"

	"postroad/internal/model/mailbox"
)

// flagSet is flags and keywords as a client gave them.
type flagSet struct {
	flags    mailbox.Flags
	keywords []string
}

// flagList consumes a flag-list in parentheses.
func (d *decoder) flagList() (set flagSet) {
	d.list(func() { d.flag(&set) })
	return set
}

// flags consumes flags with or without parentheres around them (store-att-flags, RFC 9051 §9).
func (d *decoder) flags() (set flagSet) {
	if d.peek() == '(' {
		return d.flagList()
	}
	d.flag(&set)
	for d.ok() && d.trySP() {
		d.flag(&set)
	}
	return set
}

// flag consumes a flag into set. \Recent can't be set and is let pass (RFC 3501 §2.3.2).
func (d *decoder) flag(set *flagSet) {
	if !d.try('\\') {
		if k := d.atom(); k != nil {
			set.keywords = append(set.keywords, string(k))
		}
		return
	}
	name := string(d.atom())
	if d.err != nil || strings.EqualFold(name, "Recent") {
		return
	}
	for _, f := range flagNames {
		if strings.EqualFold(f.name[1:], name) {
			set.flags |= f.flag
			return
		}
	}
	d.fail("no such system flag")
}

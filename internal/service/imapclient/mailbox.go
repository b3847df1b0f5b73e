package imapclient

import (
	"strconv"
	"strings"

	"postroad/internal/fault"
)

// maxMailboxes is how many mailboxes a server may have.
const maxMailboxes = 50_000

// Mailbox is one that LIST tells of.
type Mailbox struct {
	Name  string   // as the server writes it, in modified UTF-7
	Delim string   // one character, or empty: names have no levels
	Attrs []string // in capitals: \NOSELECT, \SENT, ...
}

// Has reports whether it has an attribute, in capitals.
func (m *Mailbox) Has(attr string) bool {
	for _, a := range m.Attrs {
		if a == attr {
			return true
		}
	}
	return false
}

// List lists all mailboxes.
func (c *Client) List() (all []Mailbox, err error) {
	command := `LIST "" "*"`
	if c.caps["LIST-EXTENDED"] && c.caps["SPECIAL-USE"] { // RFC 6154 §2: without it they needn't be told
		command += " RETURN (SPECIAL-USE)"
	}
	err = c.run(command, func(r *response) error {
		if r.name != "LIST" {
			return nil
		}
		m, err := c.readMailbox()
		if err != nil {
			return err
		}
		if all = append(all, m); len(all) > maxMailboxes {
			return fault.New(fault.TooLarge, "%s has more than %d mailboxes", c.o.Address, maxMailboxes)
		}
		return nil
	})
	return all, err
}

func (c *Client) readMailbox() (m Mailbox, err error) {
	v, err := c.values(3)
	if err != nil {
		return m, err
	}
	for _, a := range v[0].list {
		m.Attrs = append(m.Attrs, strings.ToUpper(a.text))
	}
	if !v[1].null {
		m.Delim = v[1].text
	}
	m.Name = v[2].text
	return m, nil
}

// values reads so many, each with a space in front.
func (c *Client) values(n int) ([]value, error) {
	all := make([]value, n)
	for i := range all {
		if err := c.in.expect(' '); err != nil {
			return nil, c.broken(err)
		}
		var err error
		if all[i], err = c.in.value(0); err != nil {
			return nil, c.broken(err)
		}
	}
	return all, nil
}

// Namespaces are prefixes of names (RFC 2342): Personal ones are the user's, Others are not.
type Namespaces struct{ Personal, Others []string }

// Namespaces asks for them; a server that doesn't know has none.
func (c *Client) Namespaces() (n Namespaces, err error) {
	if !c.caps["NAMESPACE"] {
		return n, nil
	}
	err = c.run("NAMESPACE", func(r *response) error {
		if r.name != "NAMESPACE" {
			return nil
		}
		v, err := c.values(3)
		if err != nil {
			return err
		}
		n.Personal = prefixes(v[0])
		n.Others = append(prefixes(v[1]), prefixes(v[2])...)
		return nil
	})
	if IsRefusal(err) {
		return n, nil
	}
	return n, err
}

func prefixes(v value) (all []string) {
	for _, space := range v.list {
		if len(space.list) > 0 {
			all = append(all, space.list[0].text)
		}
	}
	return all
}

// Status is what opening a mailbox tells.
type Status struct {
	Messages    uint32
	UIDValidity uint32
}

// Examine opens a mailbox for reading. Errors: a refusal.
func (c *Client) Examine(name string) (Status, error) { return c.open("EXAMINE", name) }

// Select opens a mailbox for changing.
func (c *Client) Select(name string) (Status, error) { return c.open("SELECT", name) }

func (c *Client) open(command, name string) (s Status, err error) {
	if strings.ContainsAny(name, "\r\n\x00") {
		return s, fault.New(fault.Invalid, "a mailbox has a line end in its name")
	}
	err = c.run(command+" "+quote(name), func(r *response) error {
		switch r.name {
		case "EXISTS":
			s.Messages = r.num
		case "OK":
			if n, ok := code(r.text, "UIDVALIDITY"); ok {
				s.UIDValidity = n
			}
		}
		return nil
	})
	return s, err
}

// code finds a number in a response code: "[UIDVALIDITY 7] ...".
func code(text, name string) (uint32, bool) {
	text, _, found := strings.Cut(strings.TrimPrefix(text, "["), "]")
	word, number, _ := strings.Cut(text, " ")
	if !found || !strings.EqualFold(word, name) {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32)
	return uint32(n), err == nil
}

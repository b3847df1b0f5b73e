package imap

import (
	"context"
	"strings"
)

// noop: RFC 9051 §6.1.2; also CHECK (RFC 3501 §6.4.1). News are told after every command.
func (s *session) noop(context.Context) (reply, error) {
	return reply{text: "that was nothing"}, s.dec.end()
}

// logout: RFC 9051 §6.1.3.
func (s *session) logout(context.Context) (reply, error) {
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	s.deselect()
	s.remark("BYE", "", "until next time")
	s.ended = true
	return reply{text: "goodbye"}, nil
}

// id: RFC 2971. What the client says of itself is for the log.
func (s *session) id(context.Context) (reply, error) {
	s.dec.sp()
	fields := s.dec.idFields()
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	if len(fields) > 0 {
		s.peer.Connection.Program(program(fields))
		s.log.Debug("imap: client", "login", s.who.Login, "id", fields)
	}
	s.out.line(`* ID ("name" "Postroad" "vendor" "Postroad")`)
	return reply{text: "pleased to meet you"}, nil
}

// program is the client's name for lists of sessions: "Thunderbird 140.1".
func program(fields []string) string {
	var name, version string
	for _, f := range fields {
		switch key, value, _ := strings.Cut(f, "="); strings.ToLower(key) {
		case "name":
			name = value
		case "version":
			version = value
		}
	}
	return strings.TrimSpace(name + " " + version)
}

// idFields consumes id-params; at most 30 fields (RFC 2971 §3.3).
func (d *decoder) idFields() []string {
	if d.tryKeyword("NIL") {
		return nil
	}
	var fields []string
	d.list(func() {
		key := d.str()
		d.sp()
		value := d.nstring()
		fields = append(fields, printable(string(key)+"="+string(value)))
		if len(fields) > 30 {
			d.fail("too many fields")
		}
	})
	return fields
}

// enable: RFC 5161, RFC 9051 §6.3.1.
func (s *session) enable(ctx context.Context) (reply, error) {
	var names []string
	for s.dec.ok() && !s.dec.atEnd() {
		s.dec.sp()
		names = append(names, upper(s.dec.atom()))
	}
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	if len(names) == 0 {
		return reply{}, bad("ENABLE what?")
	}
	done := "* ENABLED"
	for _, n := range names {
		if n == "METADATA" {
			if err := s.enableMetadata(ctx); err != nil {
				return reply{}, err
			}
		}
		if s.enableOne(n) {
			done += " " + asAnnounced(n)
		}
	}
	s.out.line(done)
	return reply{text: "enabled"}, nil
}

// asAnnounced is a capability as CAPABILITY spells it: some clients tell capitals from small letters.
func asAnnounced(name string) string {
	if name == "IMAP4REV2" {
		return "IMAP4rev2"
	}
	return name
}

// enableOne enables a capability; false if there is nothing to enable.
func (s *session) enableOne(name string) bool {
	switch name {
	case "IMAP4REV2": // RFC 9051 §5.1: names are UTF-8 from now on
		s.rev2, s.utf8 = true, true
		if s.sel != nil {
			s.sel.recent = nil // there is no \Recent any more, RFC 9051 app. E
		}
	case "UTF8=ACCEPT": // RFC 6855 §3
		s.utf8 = true
	case "CONDSTORE": // RFC 7162 §3.1
		s.enableCondstore()
	case "QRESYNC": // RFC 7162 §3.2.3
		s.enableCondstore()
		s.qresync = true
	case "UIDONLY": // RFC 9586 §3.1
		s.uidOnly = true
	case "METADATA":
	default:
		return false
	}
	s.dec.utf8 = s.utf8
	return true
}

package imap

import (
	"context"
	"strings"

	"golang.org/x/text/unicode/norm"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// listing is a LIST command (RFC 9051 §6.3.9, RFC 5258).
type listing struct {
	patterns []string
	root     bool // LIST ref "": what is the separator?

	// selection options
	subscribed, recursive, specialUse bool
	// return options
	showSubscribed bool
	statusItems    []statusItem
	entries        []string // annotations (RFC 9590)
	myRights       bool     // RFC 8440

	// above has the paths below which something meets the selection options, but doesn't match the
	// pattern and so isn't listed itself (RFC 5258 §3.5). Filled if recursive.
	above map[string]bool
}

// list: RFC 9051 §6.3.9.
func (s *session) list(ctx context.Context) (reply, error) {
	s.dec.sp()
	l := s.parseList()
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	if l.root {
		s.out.line(`* LIST (\Noselect) "/" ""`)
		return reply{text: "that is the root"}, nil
	}
	entries, err := s.entries(ctx, &l)
	if err != nil {
		return reply{}, err
	}
	l.findHidden(entries)
	for i := range entries {
		if err := s.listOne(ctx, &l, &entries[i]); err != nil {
			return reply{}, err
		}
		s.out.sized()
	}
	return reply{text: "listed"}, nil
}

// parseList consumes the arguments of LIST.
func (s *session) parseList() (l listing) {
	d := &s.dec
	if d.peek() == '(' {
		d.list(func() { l.selection(d) })
		if l.recursive && !l.subscribed && !l.specialUse {
			d.fail("RECURSIVEMATCH needs another option") // RFC 9051 §6.3.9.1
		}
		d.sp()
	}
	ref := s.pattern(d.astring())
	d.sp()
	if d.peek() == '(' {
		d.list(func() { l.add(d, ref, s.listMailbox()) })
	} else {
		p := s.listMailbox()
		l.root = p == "" && d.atEnd()
		l.add(d, ref, p)
	}
	if d.trySP() {
		if d.keyword() != "RETURN" {
			d.expected("RETURN")
		}
		d.sp()
		d.list(func() { l.returns(d) })
	}
	return l
}

// add notes a pattern behind a reference (RFC 9051 §6.3.9: they are simply joined).
func (l *listing) add(d *decoder, ref, pattern string) {
	if l.patterns = append(l.patterns, ref+pattern); len(l.patterns) > maxPatterns {
		d.fail("too many patterns")
	}
}

// maxPatterns is how many patterns a LIST may have.
const maxPatterns = 1000

// listMailbox consumes a pattern.
func (s *session) listMailbox() string {
	var raw []byte
	if c := s.dec.peek(); c == '"' || c == '{' {
		raw = s.dec.str()
	} else {
		raw = s.dec.take(&listChars, "a mailbox pattern")
	}
	return s.pattern(raw)
}

// pattern reads a pattern, which is compared with names as the client sees them: a wildcard
// may stand inside of what modified UTF-7 has encoded.
func (s *session) pattern(raw []byte) string {
	if len(raw) > maxPath {
		s.dec.fail("pattern too long")
	}
	if s.utf8 {
		return norm.NFC.String(string(raw))
	}
	return string(raw)
}

// selection consumes a selection option.
func (l *listing) selection(d *decoder) {
	switch d.keyword() {
	case "SUBSCRIBED":
		l.subscribed = true
	case "RECURSIVEMATCH":
		l.recursive = true
	case "SPECIAL-USE": // RFC 6154 §2
		l.specialUse = true
	case "REMOTE": // there are none
	default:
		d.fail("no such selection option")
	}
}

// returns consumes a return option.
func (l *listing) returns(d *decoder) {
	switch d.keyword() {
	case "SUBSCRIBED":
		l.showSubscribed = true
	case "CHILDREN", "SPECIAL-USE": // always told
	case "STATUS": // RFC 5819
		d.sp()
		l.statusItems = d.statusItems()
	case "MYRIGHTS": // RFC 8440 §3; told whether ACL is offered or not
		l.myRights = true
	case "METADATA": // RFC 9590
		d.sp()
		d.list(func() {
			if l.entries = append(l.entries, d.entryName(false)); len(l.entries) > maxEntries {
				d.fail("too many entries")
			}
		})
		if d.ok() && len(l.entries) == 0 {
			d.expected("an entry")
		}
	default:
		d.fail("no such return option")
	}
}

// listOne lists an entry if it is asked for.
func (s *session) listOne(ctx context.Context, l *listing, e *entry) error {
	if !l.matches(e) {
		return nil
	}
	selected := l.selects(e)
	info := l.above[e.path]
	if !selected && !info {
		return nil
	}
	b := append(s.out.buf(), "* LIST ("...)
	b = e.appendAttributes(b, l.subscribed || l.showSubscribed)
	b = s.appendName(append(b, `) "/" `...), e.path)
	if info {
		b = l.appendChildInfo(b)
	}
	s.out.set(append(b, crlf...))
	if l.myRights && e.folder != nil && selected {
		s.tellMyRights(e.path, e.folder)
	}
	if err := s.listMetadata(ctx, l, e, selected); err != nil {
		return err
	}
	if len(l.statusItems) == 0 || e.folder == nil || !selected || e.folder.rights()&mailbox.RightRead == 0 {
		return nil
	}
	err := s.sendStatus(ctx, e.path, e.folder, l.statusItems)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Denied) {
		return nil // RFC 5819 §2: the rest is listed all the same
	}
	return err
}

// listMetadata tells a listed mailbox's annotations, if they are asked for and may be read (RFC 9590).
func (s *session) listMetadata(ctx context.Context, l *listing, e *entry, selected bool) error {
	if len(l.entries) == 0 || e.folder == nil || !selected {
		return nil
	}
	all, err := s.annotations(ctx, e.folder)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Denied) {
		return nil
	}
	if err == nil {
		s.sendMetadata(e.path, all, l.entries, &metadataOptions{maxSize: -1})
	}
	return err
}

// tellName sends a LIST response with a mailbox's name, and what the client has called it if that was spelled in
// another way (RFC 9051 §6.3.9.7). f is nil if the mailbox is gone.
func (s *session) tellName(f *box, path, spelled string) {
	e := entry{path: path, folder: f}
	if f != nil {
		e.foreign, e.children = s.foreign(f.mail), s.hasChildren(f)
	}
	b := e.appendAttributes(append(s.out.buf(), "* LIST ("...), false)
	b = s.appendName(append(b, `) "/" `...), path)
	if spelled != "" {
		b = append(s.appendName(append(b, ` ("OLDNAME" (`...), spelled), "))"...)
	}
	s.out.set(append(b, crlf...))
}

// tellOldName is tellName for a client that knows OLDNAME, if its spelling was another.
func (s *session) tellOldName(f *box, path, spelled string) {
	if s.rev2 && spelled != "" {
		s.tellName(f, path, spelled)
	}
}

func (l *listing) matches(e *entry) bool {
	for _, p := range l.patterns {
		if match(p, e.shown) {
			return true
		}
	}
	return false
}

// reaches reports whether a pattern may match names in the namespaces of others.
func (l *listing) reaches() bool {
	for _, p := range l.patterns {
		literal, _, _ := strings.Cut(p, "%")
		literal, _, _ = strings.Cut(literal, "*")
		for _, top := range [...]string{otherUsers, sharedBy} {
			if strings.HasPrefix(top, literal) || strings.HasPrefix(literal, top) {
				return true
			}
		}
	}
	return false
}

// selects reports whether an entry meets the selection options. Without any, what exists does.
func (l *listing) selects(e *entry) bool {
	if l.subscribed && !e.subscribed || l.specialUse && e.use() == "" {
		return false
	}
	return e.folder != nil || l.subscribed || e.level && !l.specialUse
}

// findHidden fills above.
func (l *listing) findHidden(entries []entry) {
	if !l.recursive {
		return
	}
	l.above = map[string]bool{}
	for i := range entries {
		if e := &entries[i]; l.selects(e) && !l.matches(e) {
			for p := parentPath(e.path); p != "" && !l.above[p]; p = parentPath(p) {
				l.above[p] = true
			}
		}
	}
}

// parentPath is the path above another, "" above the top.
func parentPath(path string) string { return path[:max(0, strings.LastIndexByte(path, separator))] }

// appendChildInfo: RFC 9051 §6.3.9.6.
func (l *listing) appendChildInfo(b []byte) []byte {
	var met []string
	if l.subscribed {
		met = append(met, `"SUBSCRIBED"`)
	}
	if l.specialUse {
		met = append(met, `"SPECIAL-USE"`)
	}
	return append(b, ` ("CHILDINFO" (`+strings.Join(met, " ")+"))"...)
}

// lsub: RFC 3501 §6.3.9.
func (s *session) lsub(ctx context.Context) (reply, error) {
	s.dec.sp()
	ref := s.pattern(s.dec.astring())
	s.dec.sp()
	l := listing{subscribed: true, recursive: true}
	pattern := ref + s.listMailbox()
	l.add(&s.dec, "", pattern)
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	entries, err := s.entries(ctx, &l)
	if err != nil {
		return reply{}, err
	}
	l.findHidden(entries)
	for i := range entries {
		e := &entries[i]
		attr := "* LSUB ("
		switch {
		case !l.matches(e):
			continue
		case e.subscribed:
		case strings.HasSuffix(pattern, "%") && l.above[e.path]:
			attr += `\Noselect` // stands for what is below it and subscribed to
		default:
			continue
		}
		b := s.appendName(append(s.out.buf(), attr+`) "/" `...), e.path)
		s.out.set(append(b, crlf...))
		s.out.sized()
	}
	return reply{text: "listed"}, nil
}

// entry is a line that LIST may show.
type entry struct {
	path       string
	shown      string // path as the client sees it
	folder     *box   // nil: there is none of that name
	foreign    bool   // it is of somebody else
	level      bool   // without a folder, but folders of others are below it
	subscribed bool
	children   bool
}

// entries gives all that may be listed: folders, names subscribed to without a folder, and names above those.
func (s *session) entries(ctx context.Context, l *listing) ([]entry, error) {
	boxes := s.ownBoxes()
	if l.reaches() {
		var err error
		if boxes, err = s.boxes(ctx); err != nil {
			return nil, err
		}
	}
	lost, err := lostSubscriptions(ctx, s.mail)
	if err != nil {
		return nil, err
	}
	out := make([]entry, len(boxes), len(boxes)+len(lost))
	byID := make(map[mailbox.FolderID]int, len(boxes))
	own := 0
	for i := range boxes {
		f := &boxes[i]
		out[i] = entry{path: f.path, folder: &f.box, subscribed: f.Subscribed, foreign: f.foreign}
		if f.foreign {
			continue
		}
		own++
		byID[f.ID] = i
		if p, ok := byID[f.Parent]; ok {
			out[p].children = true
		}
	}
	if own < len(out) || len(lost) > 0 {
		out = addNames(out, own, lost)
	}
	for i := range out {
		if out[i].shown = out[i].path; !s.utf8 {
			out[i].shown = encodeUTF7(out[i].path)
		}
	}
	return out, nil
}

// addNames adds the names above folders of others, which begin at own, and names subscribed to that have no folder with those
// above them.
func addNames(out []entry, own int, lost []string) []entry {
	byPath := make(map[string]int, len(out)+len(lost))
	for i := range out {
		byPath[out[i].path] = i
	}
	at := func(path string) *entry {
		i, ok := byPath[path]
		if !ok {
			i = len(out)
			byPath[path] = i
			out = append(out, entry{path: path})
		}
		return &out[i]
	}
	for i := own; i < len(out) && out[i].foreign; i++ {
		for p := parentPath(out[i].path); p != ""; p = parentPath(p) {
			e := at(p)
			e.children, e.level = true, e.folder == nil
		}
	}
	for _, path := range lost {
		at(path).subscribed = true
		for p := parentPath(path); p != ""; p = parentPath(p) {
			at(p)
		}
	}
	return out
}

// appendAttributes writes a mailbox's attributes (RFC 9051 §7.3.1).
func (e *entry) appendAttributes(b []byte, subscribed bool) []byte {
	if e.folder == nil {
		b = append(b, `\NonExistent `...)
	}
	if e.level {
		b = append(b, `\Noselect `...) // for those who don't know \NonExistent
	}
	if e.children {
		b = append(b, `\HasChildren `...) // RFC 3348
	} else if e.folder != nil {
		b = append(b, `\HasNoChildren `...)
	}
	if u := e.use(); u != "" {
		b = append(append(b, u...), ' ')
	}
	if subscribed && e.subscribed {
		b = append(b, `\Subscribed `...)
	}
	return b[:len(b)-1]
}

package imap

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// Annotations (RFC 5464) of a mailbox are properties of its folder, those of the server properties of the account: everybody
// has their own under /private, and nobody may set any under /shared: those are settings. Names are kept in lower case.

const (
	sharedEntries  = "/shared/"
	privateEntries = "/private/"

	// annotationPrefix tells annotations from other properties of the account.
	annotationPrefix = "imap.annotation."

	maxAnnotation  = 64 << 10 // bytes of a value
	maxAnnotations = 1000     // of one mailbox and scope, or of the server
	maxEntries     = 1000     // in one command
)

// entryName consumes an entry's name (RFC 5464 §3.2). It may be the beginning of one if several are asked for.
func (d *decoder) entryName(whole bool) string {
	name := string(d.astring())
	if d.ok() && !validEntry(strings.ToLower(name), whole) {
		d.fail("that can't be an entry's name")
	}
	return name
}

func validEntry(name string, whole bool) bool {
	parts := strings.Split(name, "/")
	if len(name) > 1024 || parts[0] != "" || len(parts) < 2 || parts[1] != "shared" && parts[1] != "private" || slices.Contains(parts[1:], "") {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c >= 0x7f || c == '*' || c == '%' {
			return false
		}
	}
	vendor := len(parts) > 2 && parts[2] == "vendor"
	return !whole || len(parts) >= 3 && (!vendor || len(parts) >= 5) // RFC 5464 §3.2
}

// annotations are what there is of a mailbox or the server, by name in lower case.
type annotations map[string][]byte

// annotations reads those of a folder, or with nil of the server.
func (s *session) annotations(ctx context.Context, f *box) (annotations, error) {
	all := annotations{}
	if f == nil {
		props, err := s.mail.Props(ctx)
		for name, v := range props {
			if entry, ok := strings.CutPrefix(name, annotationPrefix); ok {
				all[privateEntries+entry] = v
			}
			if name == scriptProp {
				all[scriptEntry] = v
			}
		}
		s.addServerEntries(all)
		return all, err
	}
	for scope, prefix := range map[mailbox.PropScope]string{mailbox.SharedProps: sharedEntries, mailbox.PrivateProps: privateEntries} {
		props, err := f.mail.FolderProps(ctx, f.ID, scope)
		if err != nil {
			return nil, err
		}
		for name, v := range props {
			all[prefix+name] = v
		}
	}
	s.addUse(all, f)
	return all, nil
}

// addServerEntries adds what all clients may read of the server (RFC 5464 §3.2.1.1), and the administrator sets.
func (s *session) addServerEntries(all annotations) {
	admin := s.srv.admin
	if _, domain, ok := strings.Cut(s.who.Login, "@"); ok && admin == "" {
		admin = "mailto:postmaster@" + domain
	}
	if admin != "" {
		all[sharedEntries+"admin"] = []byte(admin)
	}
	if s.srv.comment != "" {
		all[sharedEntries+"comment"] = []byte(s.srv.comment)
	}
}

// metadataOptions are what GETMETADATA may be asked (RFC 5464 §4.2).
type metadataOptions struct {
	maxSize int64 // -1: any
	depth   int   // how many levels below the entry named
}

// getMetadata: RFC 5464 §4.2. Options stand before the mailbox, by the grammar; behind it, by the examples.
func (s *session) getMetadata(ctx context.Context) (reply, error) {
	d := &s.dec
	o := metadataOptions{maxSize: -1}
	d.sp()
	if d.peek() == '(' {
		d.list(func() { o.option(d, d.keyword()) })
		d.sp()
	}
	path, f, err := s.annotated(ctx)
	if err != nil {
		return reply{}, err
	}
	d.sp()
	entries := d.entryNames(&o)
	if err := d.end(); err != nil {
		return reply{}, err
	}
	all, err := s.annotations(ctx, f)
	if err != nil {
		return reply{}, err
	}
	longest := s.sendMetadata(path, all, entries, &o)
	if longest > 0 {
		return reply{fmt.Sprintf("METADATA LONGENTRIES %d", longest), "annotations told, but for the long ones"}, nil
	}
	return reply{text: "annotations told"}, nil
}

// option consumes what belongs to a getmetadata-option.
func (o *metadataOptions) option(d *decoder, name string) {
	d.sp()
	switch name {
	case "MAXSIZE":
		o.maxSize = d.number64()
	case "DEPTH":
		switch {
		case d.tryKeyword("infinity"):
			o.depth = 1 << 20
		case d.try('1'):
			o.depth = 1
		default:
			d.special('0')
			o.depth = 0
		}
	default:
		d.fail("no such option of GETMETADATA")
	}
}

// annotated consumes a mailbox; "" is the server, whose folder is nil.
func (s *session) annotated(ctx context.Context) (path string, f *box, err error) {
	path = s.mailboxName()
	if s.dec.err != nil || path == "" {
		return path, nil, s.dec.err
	}
	found, err := s.folder(ctx, path)
	return path, &found, err
}

// entryNames consumes entries, and options if they stand here.
func (d *decoder) entryNames(o *metadataOptions) (names []string) {
	one := func() {
		if len(names) >= maxEntries {
			d.fail("too many entries")
		}
		names = append(names, d.entryName(false))
	}
	options := false
	if d.peek() == '(' {
		d.list(func() {
			if c := d.peek(); c == '/' || c == '"' || c == '{' {
				one()
				return
			}
			options = true
			o.option(d, d.keyword())
		})
		if !options || !d.trySP() {
			return names
		}
		if d.peek() == '(' {
			d.list(one)
			return names
		}
	}
	one()
	for d.ok() && d.trySP() {
		one()
	}
	return names
}

// sendMetadata sends the entries asked for that aren't too long, and returns the size of the longest of those that are.
func (s *session) sendMetadata(path string, all annotations, entries []string, o *metadataOptions) (longest int) {
	b := append(s.appendName([]byte("* METADATA "), path), " ("...)
	start := len(b)
	told := map[string]bool{}
	tell := func(name, key string) {
		v, ok := all[key]
		switch {
		case told[key]:
			return
		case o.maxSize >= 0 && int64(len(v)) > o.maxSize:
			longest = max(longest, len(v))
			return
		}
		told[key] = true
		b = append(appendAstring(b, name), ' ')
		if ok {
			b = appendValue(b, v)
		} else {
			b = append(b, "NIL"...)
		}
		b = append(b, ' ')
	}
	for _, name := range entries {
		key := strings.ToLower(name)
		_, there := all[key]
		below := o.below(all, key)
		if there || len(below) == 0 {
			tell(name, key)
		}
		for _, k := range below {
			tell(k, k)
		}
	}
	if len(b) > start {
		b[len(b)-1] = ')'
		s.out.set(append(append(s.out.buf(), b...), crlf...))
	}
	return longest
}

// below lists the entries below one, up to the depth asked for.
func (o *metadataOptions) below(all annotations, key string) (names []string) {
	if o.depth == 0 {
		return nil
	}
	for name := range all {
		rest, ok := strings.CutPrefix(name, key+"/")
		if ok && strings.Count(rest, "/") < o.depth {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// appendValue writes a value: nstring or literal8 (RFC 5464 §5).
func appendValue(b, v []byte) []byte {
	if bytes.IndexByte(v, 0) >= 0 {
		b = append(b, '~')
		return append(appendLiteralSize(b, int64(len(v))), v...)
	}
	return appendString(b, string(v), false)
}

// setMetadata: RFC 5464 §4.3. All entries are set, or none.
func (s *session) setMetadata(ctx context.Context) (reply, error) {
	d := &s.dec
	d.sp()
	path, f, err := s.annotated(ctx)
	if err != nil {
		return reply{}, err
	}
	d.sp()
	set := annotations{}
	d.list(func() {
		name := strings.ToLower(d.entryName(true))
		d.sp()
		set[name] = d.entryValue()
		if len(set) > maxEntries {
			d.fail("too many entries")
		}
	})
	if d.ok() && len(set) == 0 {
		d.expected("an entry")
	}
	if err := d.end(); err != nil {
		return reply{}, err
	}
	if err := s.mayAnnotate(ctx, f, set); err != nil {
		return reply{}, err
	}
	side := s.effects()
	side.annotated, side.entries = path, set
	if f == nil {
		err = s.annotateServer(ctx, set)
	} else {
		err = s.annotateFolder(ctx, f, set)
	}
	if fault.Is(err, fault.TooLarge) {
		err = no("METADATA TOOMANY", "there is no room for more annotations")
	}
	return reply{text: "annotations set"}, err
}

// enableMetadata has the client hear which annotations others change (RFC 5464 §4.1).
func (s *session) enableMetadata(ctx context.Context) error {
	if s.metadata != nil {
		return nil
	}
	n := &notifying{}
	for _, of := range []mailboxFilter{{kind: "personal"}, {kind: "subtree", paths: []string{otherUsers, sharedBy}}} {
		n.groups = append(n.groups, eventGroup{of, events{metadata: true, server: true}})
	}
	err := n.look(ctx, s)
	if err == nil {
		s.metadata = n
	}
	return err
}

// entryValue consumes a value; nil removes.
func (d *decoder) entryValue() []byte {
	if d.tryKeyword("NIL") {
		return nil
	}
	binary := d.try('~')
	if n, _ := announcedSize(d.buf[d.pos:]); d.peek() == '{' && n > maxAnnotation {
		d.err = no(fmt.Sprintf("METADATA MAXSIZE %d", maxAnnotation), "the value is too large")
		return nil
	}
	if binary {
		return append([]byte{}, d.literal8()...)
	}
	v := append([]byte{}, d.str()...)
	if len(v) > maxAnnotation && d.ok() {
		d.err = no(fmt.Sprintf("METADATA MAXSIZE %d", maxAnnotation), "the value is too large")
	}
	return v
}

// mayAnnotate checks what is to be set, and that there won't be too many.
func (s *session) mayAnnotate(ctx context.Context, f *box, set annotations) error {
	all, err := s.annotations(ctx, f)
	if err != nil {
		return err
	}
	for name, v := range set {
		if name == scriptEntry && s.srv.events != nil {
			if err := s.maySetScript(f); err != nil {
				return err
			}
			continue
		}
		if f == nil && strings.HasPrefix(name, sharedEntries) {
			return fault.New(fault.Denied, "annotations of the server that all share can't be set here")
		}
		if f != nil && name == useEntry {
			if _, err := s.useWanted(f, v); err != nil {
				return err
			}
		}
		if err := s.checkFilter(f, name, v); err != nil {
			return err
		}
	}
	before := len(all)
	maps.Copy(all, set)
	maps.DeleteFunc(all, func(_ string, v []byte) bool { return v == nil })
	if len(all) > maxAnnotations && len(all) > before {
		return no("METADATA TOOMANY", "there are too many annotations")
	}
	return nil
}

func (s *session) annotateServer(ctx context.Context, set annotations) error {
	patch := map[string][]byte{}
	for name, v := range set {
		if name == scriptEntry {
			patch[scriptProp] = v
			continue
		}
		patch[annotationPrefix+strings.TrimPrefix(name, privateEntries)] = v
	}
	return s.mail.SetProps(ctx, patch)
}

func (s *session) annotateFolder(ctx context.Context, f *box, set annotations) error {
	patch := map[mailbox.PropScope]map[string][]byte{}
	for name, v := range set {
		scope, rest := mailbox.SharedProps, strings.TrimPrefix(name, sharedEntries)
		if p, private := strings.CutPrefix(name, privateEntries); private {
			scope, rest = mailbox.PrivateProps, p
		}
		if patch[scope] == nil {
			patch[scope] = map[string][]byte{}
		}
		patch[scope][rest] = v
	}
	if use, ok := set[useEntry]; ok {
		patch[mailbox.PrivateProps]["specialuse"] = nil // it is the folder's role
		return s.setUse(ctx, f, use, patch)
	}
	return f.mail.SetFolderProps(ctx, f.ID, patch)
}

package mailbox

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/storage/kv"
)

// Scripts tells which filter scripts an account has. It must not be changed. What the texts mean is not the store's business.
type Scripts struct {
	// Revision grows whenever a script, or which one is active, changes; 0: there were never any.
	Revision uint64
	// Active is the script that mail runs through; "": none.
	Active string
	// List is in the order of the names.
	List []ScriptInfo
}

// ScriptInfo is a script without its text.
type ScriptInfo struct {
	Name string
	Size int
}

// Limits of an account's scripts.
const (
	MaxScripts     = 100
	MaxScriptBytes = 512 << 10
	maxScriptsAll  = 8 << 20
	maxScriptName  = 512
)

// noScripts is what nearly all accounts have.
var noScripts = &Scripts{}

func (s *Scripts) find(name string) (int, bool) {
	return slices.BinarySearchFunc(s.List, name, func(i ScriptInfo, name string) int { return strings.Compare(i.Name, name) })
}

// Has reports whether there is a script of the name.
func (s *Scripts) Has(name string) bool { _, ok := s.find(name); return ok }

func (s *Scripts) encode() []byte {
	b := binary.AppendUvarint([]byte{recordVersion}, s.Revision)
	b = record.AppendString(b, s.Active)
	b = binary.AppendUvarint(b, uint64(len(s.List)))
	for _, i := range s.List {
		b = record.AppendString(b, i.Name)
		b = binary.AppendUvarint(b, uint64(i.Size))
	}
	return b
}

func decodeScripts(value []byte) (*Scripts, error) {
	d := decode(value)
	s := &Scripts{Revision: d.Uint(), Active: string(d.Bytes())}
	for range d.Count() {
		s.List = append(s.List, ScriptInfo{Name: string(d.Bytes()), Size: int(d.Uint())})
	}
	return s, d.end("list of scripts")
}

func readScripts(r kv.Reader) (*Scripts, error) {
	value, ok, err := r.Get(scriptsKey())
	if err != nil || !ok {
		return noScripts, err
	}
	return decodeScripts(value)
}

// Scripts returns the account's filter scripts. It costs nothing. Only the owner sees any.
func (s *Session) Scripts() *Scripts {
	st := s.state()
	if !s.who.Owns(s.a.id) || st.scripts == nil {
		return noScripts
	}
	return st.scripts
}

// Script returns a script's text. fault.NotFound: there is none of the name.
func (s *Session) Script(ctx context.Context, name string) (string, error) {
	text, missing := "", fault.New(fault.NotFound, "there is no such script")
	if !s.who.Owns(s.a.id) || name == "" {
		return "", missing
	}
	err := s.a.store.db.View(ctx, partition(s.a.id), func(r kv.Reader) error {
		value, ok, err := r.Get(scriptKey(name))
		switch {
		case err != nil:
			return err
		case !ok:
			return missing
		}
		d := decode(value)
		text = string(d.Bytes())
		return d.end("script")
	})
	return text, err
}

// changeScripts runs a transaction on the list of scripts.
func (s *Session) changeScripts(ctx context.Context, change func(t *txn, l *Scripts) error) error {
	if !s.who.Owns(s.a.id) {
		return fault.New(fault.Denied, "only the owner can do that")
	}
	return s.a.update(ctx, func(t *txn) error {
		next := &Scripts{}
		if now := t.next.scripts; now != nil {
			*next = *now
			next.List = slices.Clone(now.List)
		}
		if err := change(t, next); err != nil {
			return err
		}
		next.Revision++
		t.next.scripts = next
		t.change(AccountChanged, 0, 0, 0)
		return t.tx.Set(scriptsKey(), next.encode())
	})
}

// PutScript stores a script, in the place of another of its name. fault.Invalid: the name or the text can't be; fault.TooLarge,
// fault.OverQuota: limits.
func (s *Session) PutScript(ctx context.Context, name, text string) error {
	switch {
	case name == "" || len(name) > maxScriptName:
		return fault.New(fault.Invalid, "a script's name has 1 to %d octets", maxScriptName)
	case len(text) > MaxScriptBytes:
		return fault.New(fault.TooLarge, "a script has at most %d octets", MaxScriptBytes)
	}
	return s.changeScripts(ctx, func(t *txn, l *Scripts) error {
		i, there := l.find(name)
		if !there {
			if len(l.List) >= MaxScripts {
				return fault.New(fault.OverQuota, "there are too many scripts: %d are allowed", MaxScripts)
			}
			l.List = slices.Insert(l.List, i, ScriptInfo{Name: name})
		}
		l.List[i].Size = len(text)
		all := 0
		for _, info := range l.List {
			all += info.Size
		}
		if all > maxScriptsAll {
			return fault.New(fault.OverQuota, "the scripts are too large together: %d octets are allowed", maxScriptsAll)
		}
		return t.tx.Set(scriptKey(name), record.AppendString([]byte{recordVersion}, text))
	})
}

// ActivateScript makes a script the one that mail runs through; "": none is. fault.NotFound.
func (s *Session) ActivateScript(ctx context.Context, name string) error {
	return s.changeScripts(ctx, func(_ *txn, l *Scripts) error {
		if name != "" && !l.Has(name) {
			return fault.New(fault.NotFound, "there is no such script")
		}
		l.Active = name
		return nil
	})
}

// DeleteScript removes a script. fault.NotFound; fault.InUse: it is the active one.
func (s *Session) DeleteScript(ctx context.Context, name string) error {
	return s.changeScripts(ctx, func(t *txn, l *Scripts) error {
		i, ok := l.find(name)
		switch {
		case !ok:
			return fault.New(fault.NotFound, "there is no such script")
		case l.Active == name:
			return fault.New(fault.InUse, "the script is active")
		}
		l.List = slices.Delete(l.List, i, i+1)
		return t.tx.Delete(scriptKey(name))
	})
}

// RenameScript gives a script another name; an active one stays active. fault.NotFound; fault.Exists.
func (s *Session) RenameScript(ctx context.Context, from, to string) error {
	if to == "" || len(to) > maxScriptName {
		return fault.New(fault.Invalid, "a script's name has 1 to %d octets", maxScriptName)
	}
	return s.changeScripts(ctx, func(t *txn, l *Scripts) error {
		i, ok := l.find(from)
		switch {
		case !ok:
			return fault.New(fault.NotFound, "there is no such script")
		case l.Has(to):
			return fault.New(fault.Exists, "there is a script of that name")
		}
		info := l.List[i]
		info.Name = to
		l.List = slices.Delete(l.List, i, i+1)
		k, _ := l.find(to)
		l.List = slices.Insert(l.List, k, info)
		if l.Active == from {
			l.Active = to
		}
		value, _, err := t.tx.Get(scriptKey(from))
		if err != nil {
			return err
		}
		if err := t.tx.Set(scriptKey(to), slices.Clone(value)); err != nil {
			return err
		}
		return t.tx.Delete(scriptKey(from))
	})
}

// scripts checks that the list and the texts agree.
func (c *checker) scripts() error {
	list := c.s.scripts
	if list.Active != "" && !list.Has(list.Active) {
		c.say("the active script %q isn't there", list.Active)
	}
	seen := 0
	for p, err := range c.r.Scan(all(keyScripts)) {
		if err != nil {
			return err
		}
		name := string(p.Key[1:])
		if name == "" {
			continue
		}
		seen++
		d := decode(p.Value)
		text := d.Bytes()
		i, ok := list.find(name)
		if !ok || d.end("script") != nil || len(text) != list.List[i].Size {
			c.say("the script %q is not as the list says, or damaged", name)
		}
	}
	if seen != len(list.List) {
		c.say("the list has %d scripts, there are %d", len(list.List), seen)
	}
	return nil
}

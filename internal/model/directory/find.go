package directory

import (
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Role says which of a list's own addresses one is.
type Role uint8

// The addresses that a list has beside its own.
const (
	// NoRole: the address is none of these.
	NoRole Role = iota
	// ListOwner is that of the people who run the list: LIST+owner, LIST-owner, LIST-request (RFC 2142 §6).
	ListOwner
	// ListBounces is that which notifications of failed deliveries come back to: LIST+bounces, LIST-bounces, or LIST+bounces+ANYTHING.
	ListBounces
)

// listSuffixes are what a list's own addresses end with, whatever the domain's delimiters are.
var listSuffixes = []struct {
	text string
	role Role
}{
	{"+owner", ListOwner}, {"-owner", ListOwner}, {"+request", ListOwner}, {"-request", ListOwner},
	{"+bounces", ListBounces}, {"-bounces", ListBounces},
}

// verp is what stands between a list and the address that a notification is about (LIST+bounces+ben=example.org).
const verp = "+bounces+"

// maxCuts bounds the places where a detail is looked for in one local part.
const maxCuts = 4

// found is what an address leads to here.
type found struct {
	at     Address // of the entry
	entry  entry
	detail string
	role   Role
}

// find looks an address of the domain up, which must be folded: as it is; then as a list's own; then
// without what follows a delimiter. Of several places to cut, that which leaves most counts: with the delimiters "+-"
// mary-jane+x@ is mary-jane's, if there is such an address, else mary's.
func (dom *Domain) find(r kv.Reader, a Address) (f found, ok bool, err error) {
	if f.entry, ok, err = getEntry(r, a); err != nil || ok {
		f.at = a
		return f, ok, err
	}
	if f, ok, err = findList(r, a); err != nil || ok {
		return f, ok, err
	}
	cuts := dom.cuts(a.Local)
	for i := len(cuts) - 1; i >= 0; i-- {
		f.at = Address{Local: a.Local[:cuts[i]], Domain: a.Domain}
		if f.entry, ok, err = getEntry(r, f.at); err != nil || ok {
			f.detail = a.Local[cuts[i]+1:]
			return f, ok, err
		}
	}
	return found{}, false, nil
}

// cuts are the first places of delimiters in a local part, behind something.
func (dom *Domain) cuts(local string) []int {
	var cuts []int
	for i := 1; i < len(local) && len(cuts) < maxCuts; i++ {
		if strings.IndexByte(dom.Delimiters, local[i]) >= 0 {
			cuts = append(cuts, i)
		}
	}
	return cuts
}

// base is the address without the longest detail that it may have.
func (dom *Domain) base(a Address) (Address, string) {
	cuts := dom.cuts(a.Local)
	if len(cuts) == 0 {
		return a, ""
	}
	return Address{Local: a.Local[:cuts[0]], Domain: a.Domain}, a.Local[cuts[0]+1:]
}

// findList finds the list of which the address is an own one.
func findList(r kv.Reader, a Address) (f found, ok bool, err error) {
	local, detail, role := listAddress(a.Local)
	if role == NoRole {
		return found{}, false, nil
	}
	f = found{at: Address{Local: local, Domain: a.Domain}, detail: detail, role: role}
	if f.entry, ok, err = getEntry(r, f.at); err != nil || !ok || f.entry.kind != isGroup {
		return found{}, false, err
	}
	g, err := storedGroup(r, f.entry)
	if err != nil || !g.List {
		return found{}, false, err
	}
	return f, true, nil
}

// listAddress takes an own address of a list apart.
func listAddress(local string) (list, detail string, role Role) {
	if list, detail, ok := strings.Cut(local, verp); ok && list != "" {
		return list, detail, ListBounces
	}
	for _, s := range listSuffixes {
		if list, ok := strings.CutSuffix(local, s.text); ok && list != "" {
			return list, "", s.role
		}
	}
	return "", "", NoRole
}

// storedGroup reads the group that an entry names.
func storedGroup(r kv.Reader, e entry) (Group, error) {
	g, err := getGroup(r, ident.GroupID(e.id))
	if fault.Is(err, fault.NotFound) {
		err = fault.Wrap(fault.Corrupt, err, "directory: a group's record is missing")
	}
	return g, err
}

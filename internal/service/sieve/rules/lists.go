package rules

import (
	"context"
	"net/url"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/service/sieve"
)

// Names of lists (RFC 6134 §2.5): the owner's address book, which here are all addresses that the owner knows, and the administrator's
// groups: a group team@example.org is tag:example.org,2026:team, of whatever date.
const (
	addressBook = "urn:ietf:params:sieve:addrbook:default"
	urnPrefix   = "urn:ietf:params:sieve" // what stands before names that begin with a colon
	tagPrefix   = "tag:"
)

// Lists says which kinds of lists there are, by the schemes of their names, as ManageSieve tells it: RFC 6134 §2.8.
func Lists() string { return "urn tag" }

// isAddressBook reports whether a list is the owner's. Names are URIs, whose characters may be encoded (RFC 6134 §2.5).
func isAddressBook(list string) bool {
	if strings.HasPrefix(list, ":") {
		list = urnPrefix + list
	}
	plain, err := url.PathUnescape(list)
	return err == nil && strings.EqualFold(plain, addressBook)
}

// groupOf is the address of the group that a list is; "": it is none.
func groupOf(list string) string {
	if len(list) <= len(tagPrefix) || !strings.EqualFold(list[:len(tagPrefix)], tagPrefix) {
		return ""
	}
	authority, local, ok := strings.Cut(list[len(tagPrefix):], ":")
	domain, date, dated := strings.Cut(authority, ",")
	if !ok || !dated || date == "" || strings.Trim(date, "0123456789-") != "" || local == "" || domain == "" {
		return ""
	}
	return local + "@" + domain
}

// group finds the group that a list is, if the owner may know it: of the owner's own domain, or one that the owner is in.
func (w *world) group(ctx context.Context, list string) (address string, err error) {
	at := groupOf(list)
	if at == "" {
		return "", nil
	}
	a, err := directory.Parse(at)
	if err != nil {
		return "", nil
	}
	own, err := w.rules.o.Dir.Account(ctx, w.session.Account())
	if err != nil {
		return "", err
	}
	if !strings.EqualFold(domainOf(own.Address), a.Domain) {
		if in, err := w.rules.o.Dir.InGroup(ctx, at, own.Address); err != nil || !in {
			return "", ignored(err)
		}
		return a.String(), nil
	}
	_, group, err := w.rules.o.Dir.Principal(ctx, at)
	if err != nil || group == 0 {
		return "", ignored(err)
	}
	return a.String(), nil
}

// ignored is no error for what just isn't there.
func ignored(err error) error {
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Unsupported) || fault.Is(err, fault.Invalid) {
		return nil
	}
	return err
}

// List implements sieve.World.
func (w *world) List(ctx context.Context, list, value string) (in, known bool, err error) {
	if isAddressBook(list) {
		if w.rules.o.Knows == nil || value == "" {
			return false, true, nil
		}
		in, err = w.rules.o.Knows(ctx, w.session, value)
		return in, true, err
	}
	group, err := w.group(ctx, list)
	if err != nil || group == "" {
		return false, false, err
	}
	if value == "" {
		return false, true, nil
	}
	in, err = w.rules.o.Dir.InGroup(ctx, group, value)
	return in, true, ignored(err)
}

// ListAddress implements sieve.World: groups can be written to; who knows many people had better not write to them all.
func (w *world) ListAddress(ctx context.Context, list string) (string, error) {
	if isAddressBook(list) {
		return "", nil
	}
	return w.group(ctx, list)
}

var _ sieve.World = (*world)(nil)

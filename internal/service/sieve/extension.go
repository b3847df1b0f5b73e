package sieve

import (
	"math/bits"
	"slices"
)

// extensions are all capabilities, in the order of the alphabet; their places in the list are their bits in an extensionSet.
var extensions = []string{
	"body", "comparator-i;ascii-casemap", "comparator-i;ascii-numeric", "comparator-i;octet", "comparator-i;unicode-casemap", "copy", "date",
	"duplicate", "editheader", "enclose", "encoded-character", "enotify", "envelope", "environment", "ereject", "extlists", "extracttext",
	"fcc", "fileinto", "foreverypart", "ihave", "imap4flags", "imapsieve", "include", "index", "mailbox", "mailboxid", "mboxmetadata", "mime",
	"regex", "reject", "relational", "replace", "servermetadata", "spamtest", "spamtestplus", "special-use", "subaddress", "vacation",
	"vacation-seconds", "variables", "virustest", "vnd.dovecot.environment",
}

// implied are extensions that come with another.
var implied = map[string][]string{
	"vacation-seconds":        {"vacation"}, // RFC 6131 §2
	"spamtestplus":            {"spamtest"}, // RFC 5235 §3.4
	"vnd.dovecot.environment": {"environment"},
}

// extensionNames leaves out what ManageSieve doesn't want to see: comparators that everybody has (RFC 5228 §2.7.3).
func extensionNames() []string {
	return slices.DeleteFunc(slices.Clone(extensions), func(s string) bool {
		return s == "comparator-i;octet" || s == "comparator-i;ascii-casemap"
	})
}

// extensionSet is a set of extensions.
type extensionSet struct {
	bits uint64
}

func (s extensionSet) any() bool { return s.bits != 0 }

func (s extensionSet) minus(o extensionSet) extensionSet { return extensionSet{s.bits &^ o.bits} }

func (s extensionSet) has(name string) bool {
	i, ok := slices.BinarySearch(extensions, name)
	return ok && s.bits&(1<<i) != 0
}

func (s *extensionSet) add(name string) {
	if i, ok := slices.BinarySearch(extensions, name); ok {
		s.bits |= 1 << i
		for _, other := range implied[name] {
			s.add(other)
		}
	}
}

func (s *extensionSet) addAll(o extensionSet) { s.bits |= o.bits }

// first names one of them.
func (s extensionSet) first() string {
	if s.bits == 0 {
		return ""
	}
	return extensions[bits.TrailingZeros64(s.bits)]
}

// deliveryOnly names one of the extensions that have no place in scripts for IMAP events (RFC 6785 §3.11); "": there is none.
func (s extensionSet) deliveryOnly() string {
	for _, name := range []string{"reject", "ereject", "vacation"} {
		if s.has(name) {
			return name
		}
	}
	return ""
}

// active reports whether the script requires an extension.
func (c *compiler) active(name string) bool { return c.required.has(name) }

// known reports whether a capability is to be had.
func (c *compiler) known(name string) bool {
	if slices.Contains(c.opts.Without, name) {
		return false
	}
	_, ok := slices.BinarySearch(extensions, name)
	return ok || c.opts.more != nil && slices.Contains(c.opts.more.extensions, name)
}

// usable reports whether an extension may be used here: it is required, or with ihave it may be enabled when it is met.
func (c *compiler) usable(name string) bool {
	if name == "" || c.active(name) || c.opts.more != nil && slices.Contains(c.opts.more.extensions, name) {
		return true
	}
	if c.active("ihave") && c.known(name) && deferrable(name) {
		c.deferred.add(name)
		return true
	}
	return false
}

// deferrable reports whether ihave may enable an extension: none that changes what a script's text means. RFC 5463 §4.
func deferrable(name string) bool { return name != "variables" && name != "encoded-character" }

// anyUsable reports whether one of several extensions may be used.
func (c *compiler) anyUsable(names []string) bool {
	for _, n := range names {
		if c.active(n) {
			return true
		}
	}
	return len(names) == 0 || c.usable(names[0])
}

// extras are commands, tests and extensions that the tests of this package add.
type extras struct {
	extensions      []string
	commands, tests map[string]*spec
	namespace       func(space, rest string) (part, bool)
}

package setup

import (
	"context"
	"crypto"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/service/sender/dkim"
)

// checkDKIM compares the keys in the DNS with ours.
func (k *checker) checkDKIM(ctx context.Context, n *notes) {
	if len(k.Keys) == 0 {
		n.wrong("make keys: postroad domain keys rotate "+k.Domain, "the domain has no key, so that its mail isn't signed")
		return
	}
	for _, key := range k.Keys {
		k.checkKey(ctx, n, key)
	}
	if !slices.ContainsFunc(k.Keys, func(key Key) bool { return key.State == Active }) {
		n.warn("once the keys are in the DNS the server takes them into use by itself, within hours; at once: postroad domain keys activate "+k.Domain, "no key is in use yet, so mail isn't signed")
	}
}

func (k *checker) checkKey(ctx context.Context, n *notes, key Key) {
	name := key.name(k.Domain)
	txt := ask(ctx, k.DNS.LookupTXT, name)
	switch {
	case txt.unknown():
		unanswered(n, name, txt.err)
	case txt.none() && key.State == Active:
		n.wrong(k.record(name, "TXT"), "the key %s isn't in the DNS: signatures with it count for nothing", key.Selector)
	case txt.none() && key.State == Pending:
		n.warn(k.record(name, "TXT"), "the next key %s isn't in the DNS yet", key.Selector)
	case txt.none():
		n.warn(k.record(name, "TXT"), "the old key %s has left the DNS already: mail on its way can't be checked any more", key.Selector)
	case len(txt.Records) > 1: // RFC 6376 §3.6.2.2
		n.wrong("leave only the right one: "+k.record(name, "TXT"), "%s has %d text records; which of them counts is anybody's guess", name, len(txt.Records))
	default:
		k.compareKey(n, key, txt.Records[0])
	}
}

// compareKey compares what is published with what is ours.
func (k *checker) compareKey(n *notes, key Key, text string) {
	fix := k.record(key.name(k.Domain), "TXT")
	theirs, err := dkim.ParseKey(text)
	if err != nil {
		n.wrong(fix, "the key %s in the DNS can't be used: %s", key.Selector, fault.TextOf(err))
		return
	}
	ours, err := dkim.ParseKey(key.Record)
	switch {
	case err != nil:
		n.wrong("make another: postroad domain keys rotate "+k.Domain, "our own key %s can't be used: %s", key.Selector, fault.TextOf(err))
	case !equal(ours.Public, theirs.Public):
		n.wrong(fix, "the key %s in the DNS is another than ours, so that signatures fail", key.Selector)
	case theirs.Permits(k.Domain, k.Domain) != nil:
		n.wrong(fix, "the key %s in the DNS: %s", key.Selector, fault.TextOf(theirs.Permits(k.Domain, k.Domain)))
	case theirs.Testing:
		n.warn("remove t=y from the record", "the key %s is published for testing only (t=y): some treat the mail as if it weren't signed", key.Selector)
	default:
		n.ok("the key %s (%s) is in the DNS", key.Selector, key.State)
	}
}

func equal(a, b crypto.PublicKey) bool {
	c, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && c.Equal(b)
}

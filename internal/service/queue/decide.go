package queue

import (
	"math"
	"time"

	"postroad/internal/format/dsn"
	"postroad/internal/service/transfer"
)

// fate is what happens to an item next.
type fate uint8

const (
	again fate = iota // it is tried again
	gone              // it is removed
	tell              // its sender is told, and then it is removed
)

// decide says what comes of an attempt. it has counted it already.
func (o *Options) decide(m *message, it *item, out *transfer.Outcome, now int64) (fate, dsn.Action) {
	switch out.Result {
	case transfer.Delivered:
		if (m.env.ByTrace || out.Untimed) && out.Remote != "" && hears(m, it) {
			return tell, dsn.Relayed // RFC 2852 §4.1.4: each hop tells of a trace; §4.1.4.2: nobody behind it will tell that it is late
		}
		return gone, 0 // the next hop tells
	case transfer.Relayed:
		if (m.env.ByTrace || out.Untimed) && hears(m, it) {
			return tell, dsn.Relayed
		}
		return told(m, it, transfer.NotifySuccess), dsn.Relayed // RFC 3461 §5.2.2 (b), (e)
	case transfer.Failed:
		return told(m, it, transfer.NotifyFailure), dsn.Failed
	}
	if it.state != Held && now >= o.expiry(m) {
		return told(m, it, transfer.NotifyFailure), dsn.Failed
	}
	return again, 0
}

// hears reports whether there is a sender who may hear of something that nobody asked for by NOTIFY.
func hears(m *message, it *item) bool {
	return m.env.From != "" && it.rcpt.Notify&transfer.NotifyNever == 0
}

// told is the fate of an item that is done, if event is what its sender may want to hear of.
func told(m *message, it *item, event transfer.Notify) fate {
	if wants(m, it, event) {
		return tell
	}
	return gone
}

// wants reports whether the sender is to hear of an event (RFC 3461 §5.2). Nobody hears of a message with the null
// reverse-path (§5.2, RFC 5321 §6.1).
func wants(m *message, it *item, event transfer.Notify) bool {
	switch n := it.rcpt.Notify; {
	case m.env.From == "", n&transfer.NotifyNever != 0:
		return false
	case n == 0: // RFC 3461 §5.2.2 (e), §5.2.5 (b), §5.2.6 (c)
		return event != transfer.NotifySuccess
	default:
		return n&event != 0
	}
}

// expiry is when a message's items are given up.
func (o *Options) expiry(m *message) int64 {
	age := o.Limits.MaxAge
	if m.env.From == "" {
		age = o.Limits.MaxBounceAge
	}
	end := m.start + age.Milliseconds()
	if at := millis(m.env.Deadline); at != 0 && !m.env.NotifyLate {
		end = min(end, at) // RFC 2852 §4.1.4.1
	}
	return end
}

// Times at which an item has to be looked at whatever attempts say; never if not.

func (o *Options) warnAt(m *message, it *item) int64 {
	if it.warned || !wants(m, it, transfer.NotifyDelay) {
		return never
	}
	return m.start + o.Limits.WarnAfter.Milliseconds()
}

// lateAt is when the sender asked to hear of it, whatever NOTIFY says but NEVER (RFC 2852 §4.1.4.2).
func (o *Options) lateAt(m *message, it *item) int64 {
	at := millis(m.env.Deadline)
	if it.late || !m.env.NotifyLate || at == 0 || m.env.From == "" || it.rcpt.Notify&transfer.NotifyNever != 0 {
		return never
	}
	return at
}

// nextMark is the first of these times.
func (o *Options) nextMark(m *message, it *item) int64 {
	return min(o.expiry(m), o.warnAt(m, it), o.lateAt(m, it))
}

// retryAt is when an item is due again that was tried attempts times.
func (o *Options) retryAt(attempts uint64, now int64) int64 {
	i := min(max(attempts, 1)-1, uint64(len(o.Retry)-1))
	return now + o.spread(o.Retry[i]).Milliseconds()
}

// spread changes a pause by up to a tenth, so that what failed together isn't tried together.
func (o *Options) spread(d time.Duration) time.Duration {
	tenth := int64(d / 10)
	if tenth <= 0 {
		return d
	}
	return d - time.Duration(tenth) + time.Duration(o.Rand(2*tenth+1))
}

// complete fills in what an outcome lacks, and bounds the rest.
func complete(out *transfer.Outcome, now time.Time) {
	if out.Result > transfer.Failed {
		out.Result = transfer.Deferred
	}
	if out.Status == "" {
		out.Status = [...]string{transfer.Deferred: "4.0.0", transfer.Delivered: "2.0.0", transfer.Relayed: "2.0.0", transfer.Failed: "5.0.0"}[out.Result]
	}
	if out.At.IsZero() {
		out.At = now
	}
	out.Code = min(max(out.Code, 0), math.MaxInt32)
	out.Text, out.Remote = bound(out.Text, transfer.MaxText), bound(out.Remote, 255)
	out.Status, out.TLS = bound(out.Status, 32), bound(out.TLS, 64)
}

func bound(s string, n int) string { return s[:min(len(s), n)] }

// judge says what outcomes tell of the destination.
func judge(outs []transfer.Outcome) verdict {
	v := unknown
	for i := range outs {
		switch {
		case outs[i].HostWide && outs[i].Result == transfer.Deferred:
			v = max(v, failing)
		default:
			return alive
		}
	}
	return v
}

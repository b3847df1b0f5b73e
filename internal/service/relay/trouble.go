package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"postroad/internal/service/transfer"
)

// trouble is why a hop, or a transaction with it, came to nothing. It becomes an Outcome.
type trouble struct {
	result   transfer.Result // Deferred or Failed
	code     int             // of the hop's reply; 0: there was none
	status   string
	text     string
	hostWide bool // others for the destination had better wait too
	next     bool // another hop may do better
	broken   bool // the connection is of no more use
	tls      bool // TLS is what failed
	here     bool // the machine has no way to such an address
}

// temporary is trouble of our own telling.
func temporary(status, text string) *trouble {
	return &trouble{result: transfer.Deferred, status: status, text: clean(text)}
}

// permanent is the same where no other try can help.
func permanent(status, text string) *trouble {
	return &trouble{result: transfer.Failed, status: status, text: clean(text)}
}

// refused is a reply that isn't what we hoped for. A 4xx, 421 above all, lets another hop try.
func refused(r reply) *trouble {
	t := &trouble{code: r.code, status: r.status(), text: r.text(), result: transfer.Failed}
	if !r.permanent() {
		t.result, t.next = transfer.Deferred, true
	}
	if r.code/100 < 4 { // out of step: a 354 to MAIL, say
		t.status = "4.5.0"
		t.hostWide, t.broken = true, true
	}
	if r.code == 421 { // RFC 5321 §3.8: it closes the connection
		t.hostWide, t.broken = true, true
	}
	return t
}

// elsewhere says that the trouble is the host's as a whole, so that another one may do better.
func (t *trouble) elsewhere() *trouble {
	t.hostWide, t.next = true, true
	return t
}

// lost is the end of a connection, or what we no longer want to call one, while doing something.
func lost(err error, doing string) *trouble {
	t := temporary("4.4.2", "connection lost while "+doing)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		t.text = "timed out while " + doing
	case errors.Is(err, errReplyForm), errors.Is(err, errReplyLine), errors.Is(err, errReplyLines), errors.Is(err, errStep):
		t.status, t.text = "4.5.0", "protocol error while "+doing+": "+err.Error()
	case errors.Is(err, errContent):
		t.status, t.text = "4.3.0", "the message could not be read"
		t.broken = true
		return t
	}
	t.broken = true
	return t.elsewhere()
}

// unreachable is a connection that never came about (RFC 3463: 4.4.1).
func unreachable(err error, hop *Hop) *trouble {
	why := "failed"
	var op *net.OpError
	var oserr *os.SyscallError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		why = "timed out"
	case errors.As(err, &oserr):
		why = oserr.Err.Error()
	case errors.As(err, &op) && op.Err != nil:
		why = op.Err.Error()
	case err != nil && !errors.Is(err, io.EOF):
		why = err.Error()
	}
	t := temporary("4.4.1", "connect to "+hop.Host+" ["+hop.where()+"]: "+why).elsewhere()
	t.here = errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)
	return t
}

// forOthers is what a broken connection means for recipients that it came too early for.
func (t *trouble) forOthers() *trouble {
	if t.result == transfer.Deferred {
		return t
	}
	return lost(io.EOF, "sending to others")
}

package demo

import (
	"context"
	"strings"
	"time"

	"postroad/internal/service/transfer"
)

// OutsideDomain is where somebody lives whose mail has trouble on its way.
const OutsideDomain = "outside.test"

// Capture stands in for the world outside: nothing leaves the machine. It takes every message, but
// for three recipients at OutsideDomain: temperror@ is refused for now, permerror@ for good,
// and timeout@ never answers. patience is how long that one is waited for.
func Capture(now func() time.Time, patience time.Duration) func(context.Context, transfer.Job) []transfer.Outcome {
	return func(ctx context.Context, job transfer.Job) []transfer.Outcome {
		out := make([]transfer.Outcome, len(job.Recipients))
		for i, r := range job.Recipients {
			began := now()
			out[i] = answer(ctx, strings.ToLower(r.Address), patience)
			out[i].At, out[i].Took = now(), now().Sub(began)
		}
		return out
	}
}

func answer(ctx context.Context, address string, patience time.Duration) transfer.Outcome {
	o := transfer.Outcome{Result: transfer.Relayed, Code: 250, Status: "2.0.0", Text: "captured: nothing leaves this machine", Remote: "demo"}
	switch address {
	case "temperror@" + OutsideDomain:
		o.Result, o.Code, o.Status, o.Text = transfer.Deferred, 451, "4.3.0", "try again later, says the demo"
	case "permerror@" + OutsideDomain:
		o.Result, o.Code, o.Status, o.Text = transfer.Failed, 550, "5.1.1", "no such user, says the demo"
	case "timeout@" + OutsideDomain:
		wait(ctx, patience)
		o.Result, o.Code, o.Status, o.Text = transfer.Deferred, 0, "4.4.2", "no answer"
	}
	return o
}

// wait ends with ctx, or after d.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

package imap

import (
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"postroad/internal/fault"
)

type countingMetrics struct {
	noMetrics
	panics atomic.Int64
}

func (m *countingMetrics) Panic()                                { m.panics.Add(1) }
func (m *countingMetrics) Command(string, string, time.Duration) {}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryKindHasAReply(t *testing.T) {
	for _, k := range fault.Kinds() {
		r := refusalOf(fault.New(k, "text\r\nof %s", k))
		if codes[k] == "" || r.status != "NO" || r.code != codes[k] || r.text == "" {
			t.Errorf("%s: %+v", k, r)
		}
		for _, c := range r.text {
			if c < ' ' || c > '~' {
				t.Errorf("%s: %q", k, r.text)
			}
		}
	}
	if r := refusalOf(fault.Wrap(fault.Internal, errOutOfStep, "the secret")); r.text != fault.Internal.String() {
		t.Error(r.text)
	}
}

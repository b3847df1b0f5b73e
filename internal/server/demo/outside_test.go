package demo

import (
	"testing"
	"testing/synctest"
	"time"

	"postroad/internal/service/transfer"
)

func TestCapture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send := Capture(time.Now, time.Minute)
		out := send(t.Context(), transfer.Job{Recipients: []transfer.Recipient{
			{Address: "anybody@example.org"}, {Address: "TempError@outside.test"}, {Address: "permerror@outside.test"}, {Address: "timeout@outside.test"},
		}})
		want := []transfer.Result{transfer.Relayed, transfer.Deferred, transfer.Failed, transfer.Deferred}
		for i, o := range out {
			if o.Result != want[i] || o.Status == "" || o.Text == "" || o.At.IsZero() {
				t.Errorf("%d: %+v", i, o)
			}
		}
		if out[3].Took != time.Minute || out[0].Took != 0 {
			t.Errorf("took %v and %v", out[3].Took, out[0].Took)
		}
	})
}

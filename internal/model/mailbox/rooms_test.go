package mailbox

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// TestRoomsAreOfOneMessage: messages that come at the same time, and use each other's memory one after the other, are stored each as it is.
func TestRoomsAreOfOneMessage(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	stored := map[UID]string{}
	var comers sync.WaitGroup
	for from := range 4 {
		comers.Go(func() {
			for n := range 10 {
				msg := fmt.Sprintf("Received: %s\r\nFrom: %d@example.org\r\nSubject: %d\r\n\r\ntext %d\r\n", strings.Repeat(fmt.Sprint(from), 700+97*n), from, n, n)
				in := w.store.NewContent()
				in.Write([]byte(msg))
				c, err := in.Finish()
				if err != nil {
					t.Error(err)
					return
				}
				fronts := []string{fmt.Sprintf("Return-Path: <%d@example.net>\r\n", n), "X-Spam-Flag: YES\r\n", ""}
				for _, front := range fronts {
					got, err := w.me.Append(w.ctx, w.inbox(), Append{Content: c.Prefixed([]byte(front))})
					if err != nil {
						t.Error(err)
						break
					}
					mu.Lock()
					stored[got[0].UID] = front + msg
					mu.Unlock()
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	comers.Wait()
	for uid, want := range stored {
		w.holds(uid, []byte(want))
	}
	if len(stored) != 4*10*3 {
		t.Errorf("%d messages are stored", len(stored))
	}
}

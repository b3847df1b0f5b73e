package server_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postroad/internal/server/admin"
	"postroad/internal/server/servertest"
	"postroad/internal/service/transfer"
)

// Administrators act on the queue that runs, and metrics show it.
func TestAdministeringTheQueue(t *testing.T) {
	tried := make(chan struct{})
	s := servertest.Start(t, servertest.Options{Send: func(ctx context.Context, job transfer.Job) []transfer.Outcome {
		select {
		case tried <- struct{}{}:
		case <-ctx.Done():
		}
		return []transfer.Outcome{{Status: "4.3.0", Text: "later"}}
	}})
	s.AddAccount("ann")
	if err := submit(t, s, "ann@example.test", "x@far.example"); err != nil {
		t.Fatal(err)
	}
	<-tried
	a := s.Store().Admin
	for again := false; !again; { // a retry during the first attempt has no effect
		if n, err := a.RetryQueue(t.Context(), admin.QueueChange{Filter: admin.QueueFilter{Domain: "far.example"}}); err != nil || n.Recipients != 1 {
			t.Fatal(n, err)
		}
		select {
		case <-tried:
			again = true
		default:
		}
	}
	if list, err := a.Queue(t.Context(), admin.QueueFilter{Sender: "ann@example.test"}); err != nil || len(list.Items) != 1 {
		t.Error(list, err)
	}
	token, err := os.ReadFile(filepath.Join(s.Folder, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	_, page := get(t, httpOver(t, s, servertest.HTTPS), "https://"+servertest.Hostname+"/metrics",
		"Authorization", "Bearer "+strings.TrimSpace(string(token)))
	for _, want := range []string{"postroad_queue_messages 1\n", "postroad_queue_recipients 1\n", "postroad_queue_submitted_total 1\n",
		"postroad_queue_destinations 1\n", "postroad_queue_destinations_dead 0\n", "postroad_queue_failed_total 0\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
	}
	s.Check()
}

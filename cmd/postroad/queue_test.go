package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"postroad/internal/server"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/service/queue"
	"postroad/internal/service/transfer"
)

// fill puts messages into a stopped server's queue, and has each tried once: the remote's reply moves cursors.
func (s shell) fill(ids ...string) {
	s.t.Helper()
	c, err := config.Load(s.args[1])
	if err != nil {
		s.t.Fatal(err)
	}
	store, err := server.OpenStore(s.t.Context(), c, server.World{}, nil, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	tried := make(chan struct{}, len(ids))
	q, err := queue.Open(ctx, store.DB, queue.Options{Note: store.Trace.Note, Send: func(context.Context, transfer.Job) []transfer.Outcome {
		tried <- struct{}{}
		return []transfer.Outcome{{Code: 451, Status: "4.3.0", Text: "come\x1b[2Jback", Remote: "mx.far.test"}}
	}})
	for _, id := range ids {
		if err == nil {
			err = q.Submit(ctx, transfer.Envelope{ID: id, From: "ann@example.test", Received: time.Now().Add(-3 * time.Hour)},
				[]transfer.Recipient{{Address: id + "@far.test"}}, strings.NewReader("Message-ID: <"+id+"@here>\r\n\r\n"))
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = q.Run(ctx) // the cause is our own
	}()
	for range ids {
		<-tried
	}
	// An attempt that ends after cancel is forgotten if it was deferred.
	for n := 0; n < len(ids); {
		n = 0
		entries, _, err := q.List(ctx, queue.Filter{})
		if err != nil {
			s.t.Fatal(err)
		}
		for _, e := range entries {
			n += e.Attempts
		}
	}
	cancel()
	<-done
	if err := errors.Join(err, store.Close()); err != nil {
		s.t.Fatal(err)
	}
}

func TestQueueCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if out := s.do("", "queue", "list"); out != "nothing\n" {
		t.Errorf("%q", out)
	}
	s.fill("one", "two")
	has := func(want string, args ...string) {
		t.Helper()
		if out := s.do("", args...); !strings.Contains(out, want) {
			t.Errorf("%v: no %q in %s", args, want, out)
		}
	}
	has("one  waiting  3 hours  in ", "queue", "list", "--id", "one")
	has("451 4.3.0 come?[2Jback", "queue", "list", "--recipient", "one@far.test")
	has("waiting, next attempt in ", "queue", "show", "two")
	has("deferred: 451 4.3.0 come?[2Jback (mx.far.test, 0 ms)", "queue", "show", "two")
	has("nothing\n", "queue", "list", "--younger", "1h")
	has("held: 1 recipient\n", "queue", "hold", "--recipient", "one@far.test")
	has("one  held", "queue", "list", "--state", "held,notifying")
	has("=> one@far.test: held, tried 1 time", "trace", "--message-id", "<one@here>")
	has("to be tried now: 1 recipient\n", "queue", "flush", "far.test")
	has("waiting  3 hours  now ", "queue", "list", "--state", "waiting")
	has("released: 1 recipient\n", "queue", "release", "--all")
	has("to be tried now: 2 recipients\n", "queue", "flush", "--all")
	has("to be tried now: 2 recipients\n", "queue", "retry", "--older", "2h")
	has("to be tried now: 0 recipients\n", "queue", "retry", "--older", "1d")
	has("dropped: 1 recipient\n", "queue", "drop", "--id", "one")
	has("=> one@far.test: dropped", "trace", "--recipient", "one@far.test")
	has("dropped: 1 recipient\n", "queue", "drop", "--all", "--yes", "--bounce")
	has("two  notifying", "queue", "list")
	has("no such mail", "trace", "--sender", "nobody@example.test")
	has("all is well", "check")

	var traces []admin.Trace
	if err := json.Unmarshal([]byte(s.do("", "--json", "trace", "--id", "two")), &traces); err != nil || len(traces) != 1 {
		t.Fatal(traces, err)
	}
	if r := traces[0].Recipients[0]; r.Outcome != "notifying" || r.Queued == nil || len(traces[0].Events) != 3 {
		t.Errorf("%+v", traces[0])
	}
	var list admin.QueueList
	if err := json.Unmarshal([]byte(s.do("", "--json", "queue", "list")), &list); err != nil || len(list.Items) != 1 {
		t.Error(list, err)
	}
}

func TestQueueCommandsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for args, want := range map[string]string{
		"queue hold":                    "at least one filter",
		"queue retry":                   "at least one filter",
		"queue release":                 "at least one filter",
		"queue drop":                    "at least one filter",
		"queue drop --all":              "--yes",
		"queue drop --all -y --id x":    "at least one filter",
		"queue flush":                   "--all",
		"queue flush far.test --all":    "--all",
		"queue show x":                  "no such message",
		"queue list --state lost":       "want waiting, scheduled, held or notifying",
		"queue list --limit=-1":         "a limit is from 0",
		"queue list --older=-1h":        "not below 0",
		"queue list --older yesterday":  "--older",
		"trace":                         "say which mail",
		"trace --since 1h":              "say which mail",
		"trace --since=-1h --id x":      "not below 0",
		"trace --id x --limit 99999999": "a limit is from 0",
	} {
		if status, out, err := s.try("", strings.Fields(args)...); status == exitOK || !strings.Contains(err, want) {
			t.Errorf("%s: exit %d, want ...%s: %s%s", args, status, want, out, err)
		}
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 seconds", 0: "0 seconds", 1400 * time.Millisecond: "1 second", 99 * time.Second: "99 seconds",
		100 * time.Second: "2 minutes", 99 * time.Minute: "99 minutes", 100 * time.Minute: "2 hours", 47 * time.Hour: "47 hours",
		48 * time.Hour: "2 days", 120*time.Hour - time.Second: "5 days",
	} {
		if got := age(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// The running server answers; its errors and defaults are those of the stopped one.
func TestQueueCommandsOnARunningServer(t *testing.T) {
	t.Parallel()
	p := install(t, "ann")
	p.start()
	for args, want := range map[string]string{
		"queue list": "nothing\n", "queue hold --all": "held: 0 recipients\n", "queue flush far.test": "to be tried now: 0 recipients\n",
		"trace --sender ann@example.test": "no such mail", "--json trace --id x": "[]\n",
	} {
		if out := p.must("", strings.Fields(args)...); !strings.HasPrefix(out, want) {
			t.Errorf("%s: %q", args, out)
		}
	}
	for args, want := range map[string]string{"queue hold": "at least one filter", "queue show x": "no such message", "trace": "say which mail"} {
		if out, err := p.command(strings.Fields(args)...).CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %s %v", args, out, err)
		}
	}
	if err := p.stop(); err != nil {
		t.Errorf("%v: %s", err, p.log)
	}
}

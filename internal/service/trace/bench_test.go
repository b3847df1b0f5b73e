package trace_test

import (
	"fmt"
	"testing"
	"time"

	"postroad/internal/service/trace"
	"postroad/internal/storage/kv/pebble"
)

// typical are the events of mail that comes and goes, each of another message.
func typical() []trace.Event {
	events := make([]trace.Event, 4096)
	for i := range events {
		e := full([]trace.Kind{trace.Received, trace.Delivered, trace.Queued, trace.Attempt}[i%4])
		id := fmt.Sprintf("%016x", uint64(i/4)*0x9e3779b97f4a7c15)
		e.ID, e.Parent, e.MessageID = id, "", id+"@mail.example.org"
		e.From, e.To = fmt.Sprintf("user%d@example.org", i%1000), []string{fmt.Sprintf("somebody%d@far%d.example", i%777, i%50)}
		e.At = time.Time{}
		switch e.Kind {
		case trace.Received:
			e.Outcome = trace.Event{}.Outcome
		case trace.Attempt, trace.Queued, trace.Delivered:
			e.Client = trace.Client{}
		}
		events[i] = e
	}
	return events
}

func openDisk(b *testing.B) (*trace.Log, func()) {
	db, err := pebble.Open(b.TempDir(), pebble.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return open(b, db, trace.Options{}), func() { _ = db.Close() }
}

// BenchmarkNote is what the one who notes pays: the writing is left to a goroutine.
func BenchmarkNote(b *testing.B) {
	l, end := openDisk(b)
	defer end()
	events := typical()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		l.Note(events[i%len(events)])
		if i++; i%4096 == 0 {
			b.StopTimer()
			if err := l.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
}

// BenchmarkAll is all that an event costs: noted, compressed, in the store's log.
func BenchmarkAll(b *testing.B) {
	l, end := openDisk(b)
	defer end()
	events := typical()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		l.Note(events[i%len(events)])
		if i++; i%4096 == 0 {
			if err := l.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(l.Stats().Bytes)/float64(i), "bytes/event")
}

// BenchmarkFind looks for one message among a million events.
func BenchmarkFind(b *testing.B) {
	l, end := openDisk(b)
	defer end()
	events := typical()
	for i := range 1_000_000 {
		e := &events[i%len(events)]
		e.ID = fmt.Sprintf("%d", i/4)
		l.Note(*e)
		if i%4096 == 0 {
			if err := l.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ResetTimer()
	for b.Loop() {
		if got := find(b, l, trace.Query{ID: "77777"}); len(got) != 1 {
			b.Fatal(len(got))
		}
	}
}

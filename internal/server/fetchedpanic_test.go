package server

import (
	"log/slog"
	"testing"

	"postroad/internal/model/directory"
	"postroad/internal/service/fetch"
)

// What breaks while a fetched message is checked, in a goroutine of its own, has that message come again, and is not the end of the server.
func TestFetchedThatBreaks(t *testing.T) {
	f := fetched{&Server{log: slog.New(slog.DiscardHandler)}}
	l := fetch.Letter{ID: "1"} // without a content
	if _, later := f.checked(t.Context(), &fetch.Source{}, &directory.Account{}, &l); !later {
		t.Error("it counts as checked")
	}
}

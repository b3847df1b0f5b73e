package admin_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
)

// A mistake of who asks is no warning in the log; that somebody isn't let in is one.
func TestMistakesAreNoWarnings(t *testing.T) {
	for kind, want := range map[fault.Kind]string{fault.NotFound: "INFO", fault.Exists: "INFO", fault.Invalid: "INFO",
		fault.Unauthenticated: "WARN", fault.Denied: "WARN", fault.Unavailable: "WARN", fault.Corrupt: "WARN"} {
		var log bytes.Buffer
		h := admin.Handler(nil, refusing(kind), slog.New(slog.NewTextHandler(&log, nil)))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", admin.Prefix+"status", nil))
		if !strings.Contains(log.String(), "level="+want+` msg="admin operation failed"`) {
			t.Errorf("%v: %s", kind, log.String())
		}
	}
}

func refusing(kind fault.Kind) admin.Identify {
	return func(*http.Request) (admin.Caller, error) { return admin.Caller{}, fault.New(kind, "no") }
}

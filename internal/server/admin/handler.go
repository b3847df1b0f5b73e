package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"

	"postroad/internal/fault"
)

// Prefix is the path below which Handler answers.
const Prefix = "/admin/v1/"

// maxBody bounds an operation's argument.
const maxBody = 1 << 20

// errorBody is what the client gets instead of a result.
type errorBody struct {
	Error struct {
		Kind string `json:"kind"`
		Text string `json:"text"`
	} `json:"error"`
}

// RequestID is the response header with a request's ID, if whoever calls Handler gave it one. It stands in the log too.
const RequestID = "X-Request-Id"

// Handler answers the operations of a to those whom who knows, as far as they may ask.
func Handler(a Admin, who Identify, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log := log.With("path", r.URL.Path, "request", w.Header().Get(RequestID))
		caller, err := who(r)
		if err != nil {
			refuse(w, log, err)
			return
		}
		log = log.With("caller", caller.Name)
		if describes(w, r) || caller.Server && backs(a, w, r, log) {
			return
		}
		if caller.Server {
			about, failed, was := streams(a, w, r, log)
			if !was {
				about, failed, was = restores(a, w, r, log)
			}
			if was {
				record(a, caller, r, about, failed, log)
				return
			}
		}
		result, body, err := answer(a, caller, w, r)
		record(a, caller, r, body, err, log)
		if err != nil {
			refuse(w, log, err)
			return
		}
		log.Info("admin operation")
		reply(w, http.StatusOK, result)
	})
}

func refuse(w http.ResponseWriter, log *slog.Logger, err error) {
	log.Log(context.Background(), gravity(err), "admin operation failed", "err", err)
	if fault.Is(err, fault.Unauthenticated) {
		w.Header().Add("WWW-Authenticate", `Bearer realm="postroad"`)
		w.Header().Add("WWW-Authenticate", `Basic realm="postroad", charset="UTF-8"`)
	}
	reply(w, statuses[fault.KindOf(err)], bodyOf(err))
}

// answer performs the operation that a request asks for. The body comes back too, as far as it was read.
func answer(a Admin, c Caller, w http.ResponseWriter, r *http.Request) (result any, body []byte, err error) {
	name := strings.TrimPrefix(r.URL.Path, Prefix)
	op, ok := operations[name]
	if !ok {
		op, ok = moreOperations[name]
	}
	if !ok {
		return nil, nil, fault.New(fault.Unsupported, "there is no operation %q", r.URL.Path)
	}
	// A web page of a stranger can make a browser POST a form, but not this type.
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || mediaType != "application/json" {
		return nil, nil, fault.New(fault.Invalid, "operations are asked for by POST with Content-Type: application/json")
	}
	body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, nil, fault.New(fault.TooLarge, "the body is larger than %d bytes", maxBody)
	}
	if err != nil {
		return nil, nil, fault.Wrap(fault.Canceled, err, "the body ended early")
	}
	result, err = perform(r.Context(), a, c, name, op, body)
	return result, body, err
}

func bodyOf(err error) errorBody {
	var b errorBody
	b.Error.Kind, b.Error.Text = fault.KindOf(err).String(), fault.TextOf(err)
	return b
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // the client has gone if this fails
}

// statuses says how each Kind of failure looks in HTTP.
var statuses = map[fault.Kind]int{
	fault.Internal:        http.StatusInternalServerError,
	fault.NotFound:        http.StatusNotFound,
	fault.Exists:          http.StatusConflict,
	fault.Denied:          http.StatusForbidden,
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.Invalid:         http.StatusBadRequest,
	fault.TooLarge:        http.StatusRequestEntityTooLarge,
	fault.OverQuota:       http.StatusInsufficientStorage,
	fault.Conflict:        http.StatusConflict,
	fault.InUse:           http.StatusConflict,
	fault.RateLimited:     http.StatusTooManyRequests,
	fault.Unavailable:     http.StatusServiceUnavailable,
	fault.Unsupported:     http.StatusNotImplemented,
	fault.Corrupt:         http.StatusInternalServerError,
	fault.Canceled:        http.StatusRequestTimeout,
}

// gravity is the level at which a failure is logged: what was only asked wrongly is no warning.
func gravity(err error) slog.Level {
	switch fault.KindOf(err) {
	case fault.NotFound, fault.Exists, fault.Invalid:
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

package autoconfig

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"postroad/internal/fault"
)

// found is where a service is; failed why none is told. There is no public specification of this form: it is what Microsoft's servers answer.
type (
	found struct {
		Protocol string `json:"Protocol"`
		URL      string `json:"Url"`
	}
	failed struct {
		Code    string `json:"ErrorCode"`
		Message string `json:"ErrorMessage"`
	}
)

// poxName is what JSON calls the older form.
const poxName = "AutodiscoverV1"

// json answers at JSONPath: .../autodiscover.json/v1.0/ann@example.org?Protocol=ActiveSync, or the address as Email.
func (h *Handler) json(w http.ResponseWriter, r *http.Request) {
	if !h.o.Secure(r) {
		http.Redirect(w, r, h.o.Base+r.URL.RequestURI(), http.StatusFound)
		return
	}
	q := lowerKeys(r)
	address := q["email"]
	if rest := r.URL.Path[len(JSONPath):]; rest != "" {
		_, address, _ = strings.Cut(strings.TrimPrefix(rest, "/"), "/") // behind the version
	}
	s, err := Settings{}, error(nil)
	if s, err = h.settings(r, orNobody(address)); err != nil {
		h.jsonFailed(w, r, err)
		return
	}
	name := q["protocol"]
	if name == "" {
		writeJSON(w, http.StatusBadRequest, failed{"MandatoryParameterMissing", "A valid value must be provided for the query parameter 'Protocol'"})
		return
	}
	known := append([]Endpoint{{poxName, h.o.Base + POXPath}}, s.Endpoints...)
	var names []string
	for _, e := range known {
		if strings.EqualFold(e.Name, name) {
			writeJSON(w, http.StatusOK, found{e.Name, e.URL})
			return
		}
		names = append(names, e.Name)
	}
	writeJSON(w, http.StatusBadRequest, failed{"InvalidProtocol", fmt.Sprintf("The given protocol value is invalid. Supported values are '%s'", strings.Join(names, ","))})
}

// orNobody makes no address an invalid one: the host that was asked doesn't count here.
func orNobody(address string) string {
	if address == "" {
		return "@"
	}
	return address
}

func lowerKeys(r *http.Request) map[string]string {
	all := map[string]string{}
	for k, v := range r.URL.Query() {
		all[strings.ToLower(k)] = v[0]
	}
	return all
}

func (h *Handler) jsonFailed(w http.ResponseWriter, r *http.Request, err error) {
	switch fault.KindOf(err) {
	case fault.Invalid:
		writeJSON(w, http.StatusBadRequest, failed{"InvalidUserId", "The given user id is not an address"})
	case fault.NotFound:
		writeJSON(w, http.StatusNotFound, failed{"UserNotFound", "The given user is not found"})
	default:
		h.o.Logger.ErrorContext(r.Context(), "cannot tell a program its settings", "err", err)
		writeJSON(w, http.StatusServiceUnavailable, failed{"InternalServerError", "Not now"})
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // these types can be marshalled
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b) //nolint:errcheck // the client has gone if this fails
}

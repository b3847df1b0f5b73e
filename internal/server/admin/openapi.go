package admin

import (
	_ "embed"
	"net/http"
	"strings"
)

// openAPI describes the operations, for programs (OpenAPI 3.1). TestOpenAPI writes it, from the types and comments of this package.
//
//go:embed openapi.json
var openAPI []byte

// describes answers who asks for the description, and reports whether this was it.
func describes(w http.ResponseWriter, r *http.Request) bool {
	if strings.TrimPrefix(r.URL.Path, Prefix) != "openapi.json" || r.Method != http.MethodGet {
		return false
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(openAPI) // the client has gone if this fails
	return true
}

package sql

import (
	"fmt"
	"math"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// row is one row of a result, by the columns' names in lower case.
type row map[string]any

// text is a column as text; "" if there is none, or NULL.
func (r row) text(name string) string { return strings.TrimSpace(textOf(r[name])) }

func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case []byte:
		return string(v)
	case [16]byte: // a UUID
		return fmt.Sprintf("%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:])
	}
	return fmt.Sprint(v)
}

// list is an array, or text with commas or spaces between.
func (r row) list(name string) (values []string) {
	if array, ok := r[name].([]any); ok {
		for _, v := range array {
			if s := strings.TrimSpace(textOf(v)); s != "" {
				values = append(values, s)
			}
		}
		return values
	}
	return append(values, strings.FieldsFunc(r.text(name), func(c rune) bool { return strings.ContainsRune(", ;\n", c) })...)
}

// number is a column that isn't negative; 0 for anything else.
func (r row) number(name string) int64 {
	switch v := r[name].(type) {
	case int64:
		return max(v, 0)
	case int32:
		return int64(max(v, 0))
	case int16:
		return int64(max(v, 0))
	case pgtype.Numeric:
		if n, err := v.Int64Value(); err == nil {
			return max(n.Int64, 0)
		}
	case float64:
		if v > 0 && v < math.MaxInt64 {
			return int64(v)
		}
	}
	return 0
}

// isFalse reports whether a column is there, and says no.
func (r row) isFalse(name string) bool {
	switch v := r[name].(type) {
	case bool:
		return !v
	case int64, int32, int16:
		return r.number(name) == 0
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "f", "false", "n", "no", "0", "off":
			return true
		}
	}
	return false
}

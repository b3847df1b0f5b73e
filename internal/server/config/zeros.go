package config

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"postroad/internal/fault"
)

// In a Config zero stands for what was left out. Who writes a zero means something else, nothing or no limit, and neither can be had of
// the settings here: they are refused with these words instead of being taken for the default.
var notZero = map[string]string{
	"limits.message_size":            "at least 64K",
	"limits.recipients":              "at least 100",
	"limits.connections":             "at least 1; without it the protocol's own limit holds",
	"limits.connections_per_address": "at least 1; without it the protocol's own limit holds",
	"limits.cache":                   "at least 4M",
	"limits.shutdown":                "more than 0s",
	"trace.size":                     "at least 1M",
	"quarantine.size":                "at least 1M",
	"junk.cache":                     "at least 1M",
	"audit.entries":                  "at least 1000",
	"reports.failures_per_day":       "at least 1; send_failure = false sends none",
	"acme.dns.ttl":                   "at least 1s",
	"scanner.timeout":                "more than 0s",
	"scanner.max_size":               "more than 0; without the table it sees nothing",
	"scanner.connections":            "at least 1",
	"route.port":                     "at least 1",
	"ldap.every":                     "at least 10s",
	"sql.every":                      "at least 10s",

	"checks.connections_per_minute":             orNoLimit,
	"checks.messages_per_minute":                orNoLimit,
	"checks.domain_messages_per_minute":         orNoLimit,
	"limits.account.messages_per_hour":          orNoLimit,
	"limits.account.messages_per_day":           orNoLimit,
	"limits.account.recipients_per_hour":        orNoLimit,
	"limits.account.recipients_per_day":         orNoLimit,
	"limits.account.new_recipients_per_day":     orNoLimit,
	"limits.account.refused_recipients_per_day": orNoLimit,
	"limits.account.refused_percent":            orNoLimit,
}

const orNoLimit = "at least 1, or -1 for no limit"

// refuseZeros finds settings that b, which has been decoded before, says are zero, and that can't be.
func refuseZeros(b []byte) error {
	var file map[string]any
	if err := toml.NewDecoder(bytes.NewReader(b)).Decode(&file); err != nil {
		return fault.New(fault.Invalid, "%s", explain(err))
	}
	return zerosIn(file, "")
}

// zerosIn looks through a table, whose name ends in a dot.
func zerosIn(table map[string]any, name string) error {
	for _, key := range slices.Sorted(maps.Keys(table)) {
		path, value := name+strings.ToLower(key), table[key]
		want, listed := notZero[path]
		if listed && isZero(value) {
			return fault.New(fault.Invalid, "%s: %s", path, want)
		}
		below, _ := value.([]any)
		if t, ok := value.(map[string]any); ok {
			below = []any{t}
		}
		for _, v := range below {
			if t, ok := v.(map[string]any); ok {
				if err := zerosIn(t, path+"."); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// isZero reports whether a value is a number, size or span of nothing.
func isZero(value any) bool {
	text, ok := value.(string)
	if !ok {
		return value == int64(0)
	}
	var size Size
	var span Duration
	return size.UnmarshalText([]byte(text)) == nil && size == 0 ||
		strings.TrimSpace(text) != "" && span.UnmarshalText([]byte(text)) == nil && time.Duration(span) == 0
}

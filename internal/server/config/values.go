package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written as 1048576, "1M", "150 MB" or "2GiB". The
// units are powers of 1024.
type Size int64

// UnmarshalText reads a Size.
func (s *Size) UnmarshalText(b []byte) error {
	text := strings.ToUpper(strings.TrimSpace(string(b)))
	text = strings.TrimSuffix(strings.TrimSuffix(text, "B"), "I")
	shift := 0
	if n := len(text); n > 0 {
		if at := strings.IndexByte("KMGT", text[n-1]); at >= 0 {
			shift, text = 10*(at+1), text[:n-1]
		}
	}
	v, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || v < 0 || v > 1<<62>>shift {
		return fmt.Errorf("%q is not a size: write it like 1048576, \"150M\" or \"2G\"", b)
	}
	*s = Size(v << shift)
	return nil
}

// String writes s as UnmarshalText reads it.
func (s Size) String() string {
	for _, u := range []struct {
		shift uint
		name  string
	}{{40, "T"}, {30, "G"}, {20, "M"}, {10, "K"}} {
		if s != 0 && s&(1<<u.shift-1) == 0 {
			return strconv.FormatInt(int64(s>>u.shift), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Duration is a time span, written as "20s", "1m30s" or "180d".
type Duration time.Duration

const day = 24 * time.Hour

// UnmarshalText reads a Duration.
func (d *Duration) UnmarshalText(b []byte) error {
	if text, ok := strings.CutSuffix(string(b), "d"); ok {
		days, err := strconv.ParseInt(text, 10, 64)
		if err != nil || days < 0 || days > int64(math.MaxInt64/day) {
			return fmt.Errorf("%q is not a number of days", b)
		}
		*d = Duration(days) * Duration(day)
		return nil
	}
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is not a time span: write it like \"20s\", \"5m\" or \"7d\"", b)
	}
	*d = Duration(v)
	return nil
}

// or is a span that may be left out. One that is written as "0s" is not left out: it is checked like any other.
func (d *Duration) or(left time.Duration) time.Duration {
	if d == nil {
		return left
	}
	return time.Duration(*d)
}

// OrZero is the span; 0 if it is left out.
func (d *Duration) OrZero() time.Duration { return d.or(0) }

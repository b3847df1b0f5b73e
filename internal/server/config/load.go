package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"postroad/internal/fault"
)

// Load reads and checks the setting file. A missing one is fault.NotFound, a
// wrong one fault.Invalid with a text that names the line.
func Load(file string) (Config, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, fault.Wrap(fault.NotFound, err, "there is no setting file "+file)
	}
	if err != nil {
		return Config{}, fault.Wrap(fault.Unavailable, err, "cannot read the setting file")
	}
	c, err := Parse(b)
	if err != nil {
		return Config{}, fault.New(fault.Invalid, "%s: %s", file, fault.TextOf(err))
	}
	return c, nil
}

// Parse reads and checks the text of a setting file.
func Parse(b []byte) (Config, error) {
	var c Config
	d := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Config{}, fault.New(fault.Invalid, "%s", explain(err))
	}
	if err := refuseZeros(b); err != nil {
		return Config{}, err
	}
	c.complete()
	if err := c.Validate(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// explain says in one line each what is wrong with a file.
func explain(err error) string {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) {
		var lines []string
		for _, e := range strict.Errors {
			lines = append(lines, explainUnknown(e))
		}
		return strings.Join(lines, "; ")
	}
	var e *toml.DecodeError
	if errors.As(err, &e) {
		row, _ := e.Position()
		return fmt.Sprintf("line %d: %s", row, strings.TrimPrefix(e.Error(), "toml: "))
	}
	return strings.TrimPrefix(err.Error(), "toml: ")
}

func explainUnknown(e toml.DecodeError) string {
	row, _ := e.Position()
	key := e.Key()
	if len(key) == 0 {
		return fmt.Sprintf("line %d: unknown setting", row)
	}
	parent, last := key[:len(key)-1], key[len(key)-1]
	where := ""
	if len(parent) > 0 {
		where = " in [" + strings.Join(parent, ".") + "]"
	}
	return fmt.Sprintf("line %d: unknown setting %q%s%s", row, last, where, suggest(last, keysAt(parent)...))
}

// keysAt lists the keys that Config knows below a table.
func keysAt(parent []string) []string {
	t := reflect.TypeFor[Config]()
	for _, name := range parent {
		f, ok := fieldOf(t, name)
		if !ok {
			return nil
		}
		t = f
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var keys []string
	for f := range t.Fields() {
		keys = append(keys, f.Tag.Get("toml"))
	}
	return keys
}

func fieldOf(t reflect.Type, key string) (reflect.Type, bool) {
	if t.Kind() != reflect.Struct {
		return nil, false
	}
	for f := range t.Fields() {
		if f.Tag.Get("toml") == key {
			if f.Type.Kind() == reflect.Slice {
				return f.Type.Elem(), true
			}
			return f.Type, true
		}
	}
	return nil, false
}

// suggest ends an error message with the nearest of the known words, or with all of them if none is near.
func suggest(word string, known ...string) string {
	best, least := "", len(word)/2+2
	for _, k := range known {
		if d := distance(strings.ToLower(word), k); d < least {
			best, least = k, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("; did you mean %q?", best)
	case len(known) > 0:
		return "; known are " + strings.Join(known, ", ")
	}
	return ""
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that make b of a.
func distance(a, b string) int {
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}

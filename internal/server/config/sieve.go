package config

import (
	"path/filepath"
	"time"

	"postroad/internal/fault"
)

// Sieve says how people's filters run. The files are read when the server starts, and again when they have changed.
type Sieve struct {
	// Before and After are files with scripts that run before and behind everybody's own, in their order.
	Before []string `toml:"before"`
	After  []string `toml:"after"`
	// Global is a folder with scripts (NAME.sieve) that everybody may include as :global "NAME"; "": there are none.
	Global string `toml:"global"`
	// TimeZone is that of dates in scripts, such as "Europe/Berlin"; "": the machine's.
	TimeZone string `toml:"time_zone"`
}

// Location is the time zone; the machine's if none is set.
func (s Sieve) Location() (*time.Location, error) {
	if s.TimeZone == "" {
		return time.Local, nil
	}
	loc, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		return nil, fault.New(fault.Invalid, "sieve.time_zone: there is no time zone %q", s.TimeZone)
	}
	return loc, nil
}

func (s Sieve) validate() error {
	files := append(append([]string{}, s.Before...), s.After...)
	if s.Global != "" {
		files = append(files, s.Global)
	}
	for _, f := range files {
		if !filepath.IsAbs(f) {
			return fault.New(fault.Invalid, "sieve: %q is not the absolute path of a file", f)
		}
	}
	_, err := s.Location()
	return err
}

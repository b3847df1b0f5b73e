package pebble

import (
	"errors"

	engine "github.com/cockroachdb/pebble/v2"

	"postroad/internal/fault"
)

func closedFault() error { return fault.New(fault.Unavailable, "the store is closed") }

// readFault gives an error of the engine its kind.
func readFault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, engine.ErrClosed):
		return closedFault()
	case engine.IsCorruptionError(err):
		return fault.Wrap(fault.Corrupt, err, "the store is damaged")
	}
	return fault.Wrap(fault.Unavailable, err, "the store can't be read")
}

func writeFault(err error) error {
	return fault.Wrap(fault.Unavailable, err, "the store can't be written to")
}

package fault_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"postroad/internal/fault"
)

func TestKindOfLooksThroughWrapping(t *testing.T) {
	err := fmt.Errorf("deliver item 7: %w", fault.New(fault.OverQuota, "the mailbox is full"))
	if !fault.Is(err, fault.OverQuota) || fault.Is(err, fault.NotFound) {
		t.Errorf("kind %v", fault.KindOf(err))
	}
	if got := fault.TextOf(err); got != "the mailbox is full" {
		t.Errorf("the client is told %q", got)
	}
}

func TestOutermostKindCounts(t *testing.T) {
	inner := fault.New(fault.NotFound, "no such folder")
	if err := fault.Wrap(fault.Corrupt, inner, "folder index"); fault.KindOf(err) != fault.Corrupt || !errors.Is(err, inner) {
		t.Errorf("%v is %v", err, fault.KindOf(err))
	}
}

// TestStrangersLearnNothingOfOurFaults: causes, and the texts of our own faults, are for the log.
func TestStrangersLearnNothingOfOurFaults(t *testing.T) {
	for _, err := range []error{
		io.ErrUnexpectedEOF,
		fault.New(fault.Internal, "secret"),
		fault.New(fault.Corrupt, "secret"),
		fault.Wrap(fault.Unavailable, errors.New("secret"), "try later"),
		fault.Wrap(fault.NotFound, errors.New("secret"), ""),
	} {
		if got := fault.TextOf(err); got == "" || strings.Contains(got, "secret") || strings.Contains(got, "EOF") {
			t.Errorf("%v: the client is told %q", err, got)
		}
	}
}

func TestErrorTellsTheLogEverything(t *testing.T) {
	for want, err := range map[string]error{
		"full":               fault.New(fault.OverQuota, "full"),
		"over quota":         &fault.Error{Kind: fault.OverQuota},
		"disk: EOF":          fault.Wrap(fault.Unavailable, io.EOF, "disk"),
		"unavailable: EOF":   fault.Wrap(fault.Unavailable, io.EOF, ""),
		"EOF":                fault.Wrap(fault.Unavailable, io.EOF, io.EOF.Error()),
		"no file: EOF":       fault.Wrap(fault.Denied, fault.Wrap(fault.NotFound, io.EOF, "no file"), "no file"),
		"E: EOF":             fault.Wrap(fault.Denied, io.EOF, "E"),
		"7 of 8 is too many": fault.New(fault.TooLarge, "%d of %d is too many", 7, 8),
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

func TestNoErrorIsNoFault(t *testing.T) {
	if fault.Wrap(fault.Denied, nil, "x") != nil || fault.Is(nil, fault.Internal) {
		t.Error("nil became a fault")
	}
}

func TestEveryKindHasAName(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range fault.Kinds() {
		name := k.String()
		if name == "" || strings.HasPrefix(name, "Kind(") || seen[name] {
			t.Errorf("kind %d is called %q", k, name)
		}
		seen[name] = true
	}
	if fault.Kind(200).String() != "Kind(200)" || len(seen) < 15 {
		t.Errorf("%d kinds", len(seen))
	}
}

// TestRetry: what can't be right later either must not be tried again.
func TestRetry(t *testing.T) {
	for k, want := range map[fault.Kind]bool{
		fault.OverQuota: true, fault.Unavailable: true, fault.Internal: true, fault.RateLimited: true,
		fault.NotFound: false, fault.Invalid: false, fault.Denied: false, fault.TooLarge: false, fault.Unsupported: false,
	} {
		if k.Retry() != want {
			t.Errorf("%v: retry is %v", k, k.Retry())
		}
	}
}

package main

import "testing"

func TestHeaderLine(t *testing.T) {
	for line, want := range map[string]string{"Received: from a\r": "Received: from a", "\tby b\r": "    by b", "Subject: \x1b[2J": "Subject: ?[2J"} {
		if got := headerLine(line); got != want {
			t.Errorf("%q is shown as %q, want %q", line, got, want)
		}
	}
}

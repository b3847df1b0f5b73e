package delivery

import "testing"

// TestPlaces: To comes before Cc, case doesn't matter.
func TestPlaces(t *testing.T) {
	h := head{to: []string{"Ann <Ann@Example.org>, x@y.example"}, cc: []string{"ann@example.org, bob@example.org"}}
	p := h.places()
	for address, want := range map[string]string{"ann@example.org": "To", "BOB@example.org": "Cc", "carol@example.org": "Bcc"} {
		if got := placeOf(p, address, true); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
	if got := placeOf(p, "carol@example.org", false); got != "Recipient" {
		t.Error(got)
	}
}

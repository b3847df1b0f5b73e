package message

import "testing"

func TestAutomatic(t *testing.T) {
	for raw, want := range map[string]bool{
		"Subject: x\r\n": false, "Auto-Submitted: no\r\n": false, "Auto-Submitted: No (I wrote it)\r\n": false, "auto-submitted:\r\n auto-replied; x=y\r\n": true,
		"Auto-Submitted: auto-generated (by rule)\r\n": true, "Auto-Submitted:\r\n": false, "Content-Type: Multipart/Report; report-type=disposition-notification\r\n": true,
		"Content-Type: multipart/mixed; x=\"multipart/report\"\r\n": false, "Auto-Submitted: no\r\nAuto-Submitted: auto-replied\r\n": true,
	} {
		if h := ParseHeader(raw); h.Automatic() != want {
			t.Errorf("%q: %v", raw, !want)
		}
	}
}

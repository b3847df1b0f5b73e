package managesieve

import (
	"net"
	"slices"
	"testing"

	"postroad/internal/service/transcript"
)

// TestTranscripts plays testdata/*.txt, conversations that specify the server. Beside what package transcript says:
//
//	given clear              the listener takes no passwords without TLS
//
// ann@example.org has the password "secret".
func TestTranscripts(t *testing.T) {
	transcript.Run(t, func(t *testing.T, s transcript.Script) {
		clear := slices.ContainsFunc(s.Given(), func(l transcript.Line) bool { return l.Rest == "clear" })
		w := newWorld(t, ListenerOptions{PlainAllowed: !clear}, withTLS(t))
		transcript.World{Dial: func(string) net.Conn { return w.dial(t, "192.0.2.1").conn }}.Play(t, s)
	})
}

package mtasts

import (
	"bytes"
	"testing"
	"time"
)

func FuzzDecode(f *testing.F) {
	f.Add(encode(Stored{ID: "1", Text: []byte("version: STSv1"), Fetched: time.Unix(1, 0), Expires: time.Unix(2, 0), Used: time.Unix(3, 0)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decode(b)
		if err == nil && !bytes.Equal(encode(v), b) {
			t.Errorf("%q: %+v", b, v)
		}
	})
}

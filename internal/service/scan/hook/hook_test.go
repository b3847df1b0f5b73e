package hook

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
	"postroad/internal/service/scan/scantest"
)

func scanner(t testing.TB) func(scantest.Dial) scan.Scanner {
	return func(dial scantest.Dial) scan.Scanner {
		s, err := New(Options{URL: "http://hook.test/mail?x=1", Secret: "secret", Dial: dial, Now: func() time.Time { return time.Unix(1773500966, 0) }})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func answering(status int, body string) string {
	return fmt.Sprintf("HTTP/1.1 %d x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

func TestMisbehaviour(t *testing.T) {
	scantest.Misbehave(t, scantest.Program{New: scanner(t), Answer: answering(200, `{"action":"accept"}`)})
}

// serve answers with what answer says.
func serve(answer func(*http.Request, string) string) scantest.Dial {
	return scantest.Serve(func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			q, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			b, _ := io.ReadAll(q.Body)
			io.WriteString(c, answer(q, string(b)))
		}
	})
}

// What a program in any language would do with a request works: the parts are there, and the signature is right.
func TestRequest(t *testing.T) {
	m := scantest.Message(5000)
	m.Client, m.Login, m.Direction = netip.MustParseAddr("::ffff:192.0.2.7"), "bob@example.test", scan.Outgoing
	text := make([]byte, m.Size)
	m.Content.ReadAt(text, 0)
	s := scanner(t)(serve(func(r *http.Request, body string) string {
		h := hmac.New(sha256.New, []byte("secret"))
		io.WriteString(h, "1773500966."+body)
		if got := r.Header.Get(SignatureField); got != "t=1773500966,v1="+hex.EncodeToString(h.Sum(nil)) {
			t.Errorf("signature %s", got)
		}
		_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		form, err := multipart.NewReader(strings.NewReader(body), params["boundary"]).ReadForm(1 << 20)
		if err != nil || r.Method != "POST" || r.URL.String() != "/mail?x=1" || r.Host != "hook.test" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
			return answering(500, "")
		}
		var e Envelope
		if err := json.Unmarshal([]byte(form.Value["envelope"][0]), &e); err != nil || e.Client != "192.0.2.7" || e.Login != "bob@example.test" || e.Direction != "outgoing" || len(e.To) != 2 || e.Size != m.Size {
			t.Errorf("%+v, %v", e, err)
		}
		f, _ := form.File["message"][0].Open()
		if b, _ := io.ReadAll(f); string(b) != string(text) {
			t.Errorf("message %q", b)
		}
		return answering(200, `{"action":"quarantine","reason":"odd","score":3,"required":5,"clean":true,"fields":[{"name":"X-A","value":"b"}],"remove":["X-B"],"symbols":[{"name":"S","score":3}],"more":1}`)
	}))
	defer scantest.Close(s)
	f, err := s.Scan(t.Context(), m)
	if err != nil || f.Action != scan.Quarantine || f.Reason != "odd" || !f.Scored || f.Score != 3 || f.Certainty != scan.Clean || len(f.Fields) != 1 || f.Changes == nil || f.Changes.Header[0] != (scan.HeaderChange{Name: "X-B", Do: scan.RemoveField}) || len(f.Symbols) != 1 {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestAnswers(t *testing.T) {
	for answer, want := range map[string]scan.Action{
		answering(204, ""):   scan.Accept,
		answering(200, "{}"): scan.Accept,
		answering(200, `{"action":"reject","code":554}`):           scan.Reject,
		answering(200, `{"action":"junk"}`):                        scan.Junk,
		answering(200, `{"action":"tempfail","text":"not today"}`): scan.TempFail,
		answering(200, `{"action":"discard"}`):                     scan.Discard,
	} {
		s := scanner(t)(serve(func(*http.Request, string) string { return answer }))
		if f, err := s.Scan(t.Context(), scantest.Message(1)); err != nil || f.Action != want {
			t.Errorf("%q: %+v, %v", answer, f, err)
		}
		scantest.Close(s)
	}
	for _, answer := range []string{
		answering(200, ""), answering(200, "null"), answering(200, "[]"), answering(200, `{"action":"dance"}`), answering(200, `{"score":"x"}`), answering(202, "{}"), answering(500, "{}"),
		"HTTP/1.1 302 x\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n",
	} {
		s := scanner(t)(serve(func(*http.Request, string) string { return answer }))
		if f, err := s.Scan(t.Context(), scantest.Message(1)); !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Unsupported) {
			t.Errorf("%q: %+v, %v", answer, f, err)
		}
		scantest.Close(s)
	}
}

func TestPing(t *testing.T) {
	for status, ok := range map[int]bool{200: true, 404: true, 405: true, 501: true, 502: false} {
		s := scanner(t)(serve(func(*http.Request, string) string {
			return fmt.Sprintf("HTTP/1.1 %d x\r\nServer: mine\r\nContent-Length: 0\r\n\r\n", status)
		}))
		if v, err := s.Ping(t.Context()); (err == nil) != ok {
			t.Errorf("%d: %s, %v", status, v, err)
		}
		scantest.Close(s)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"action":"reject","fields":[{"name":"a"}],"score":1e308}`)
	f.Fuzz(func(t *testing.T, body string) {
		if found, err := parse([]byte(body)); err != nil && found.Action != scan.Accept {
			t.Error("a failure with an opinion")
		}
	})
}

package rspamd

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"reflect"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
	"postroad/internal/service/scan/scantest"
)

func scanner(t testing.TB) func(scantest.Dial) scan.Scanner {
	return func(dial scantest.Dial) scan.Scanner {
		s, err := New(Options{URL: "http://rspamd.test:11333", Password: "secret", Dial: dial})
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
	scantest.Misbehave(t, scantest.Program{New: scanner(t), Answer: answering(200, `{"action":"no action","score":1,"required_score":15}`)})
}

// serve answers every question alike, and remembers the last.
func serve(t *testing.T, status int, body string, asked *http.Request, read *string) scantest.Dial {
	return scantest.Serve(func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			q, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			b, _ := io.ReadAll(q.Body)
			if asked != nil {
				*asked, *read = *q, string(b)
			}
			io.WriteString(c, answering(status, body))
		}
	})
}

func TestScan(t *testing.T) {
	body, err := os.ReadFile("testdata/gtube.json")
	if err != nil {
		t.Fatal(err)
	}
	var asked http.Request
	var read string
	s := scanner(t)(serve(t, 200, string(body), &asked, &read))
	defer scantest.Close(s)
	m := scantest.Message(3000)
	m.Client, m.ClientName, m.Login = netip.MustParseAddr("::ffff:192.0.2.7"), func() string { return "mail.example.org" }, "bob@example.test"
	m.TLSVersion, m.Cipher, m.Helo = "TLSv1.3", "TLS_AES_128_GCM_SHA256", "evil\r\nRcpt: x"
	f, err := s.Scan(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if f.Action != scan.Reject || f.Text != "Gtube pattern" || !f.Scored || f.Score != 15 || f.Required != 6 || len(f.Symbols) != 2 || f.Symbols[0].Name != "GTUBE" {
		t.Errorf("%+v", f)
	}
	want := []scan.Field{{Name: "X-Spam", Value: "Yes"}, {Name: "X-Spamd-Bar", Value: "+++"}, {Name: "X-Two", Value: "a"}, {Name: "X-Two", Value: "b"}}
	if !reflect.DeepEqual(f.Fields, want) {
		t.Errorf("fields %+v", f.Fields)
	}
	text := make([]byte, m.Size)
	m.Content.ReadAt(text, 0)
	if read != string(text) || asked.URL.Path != "/checkv2" || asked.ContentLength != m.Size {
		t.Errorf("asked %s with %d bytes", asked.URL, len(read))
	}
	for name, want := range map[string]string{"From": "<ann@example.org>", "Ip": "192.0.2.7", "Hostname": "mail.example.org", "User": "bob@example.test", "Queue-Id": "id1",
		"Helo": "evil??Rcpt: x", "Tls-Version": "TLSv1.3", "Password": "secret", "Mta-Name": "mail.example.test"} {
		if got := asked.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := asked.Header.Values("Rcpt"); len(got) != 2 || got[1] != "carol@example.test" {
		t.Errorf("Rcpt %q", got)
	}
}

// Fields that rspamd wants out are told by name and place.
func TestRemovals(t *testing.T) {
	f, err := parse([]byte(`{"score":1,"action":"no action","milter":{"remove_headers":{"X-Spam":0,"X-Old":[1,-1],"X-Odd":"x","X-Last":-1}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []scan.HeaderChange{{Name: "X-Last", Place: -1, Do: scan.RemoveField}, {Name: "X-Old", Place: -1, Do: scan.RemoveField}, {Name: "X-Old", Place: 1, Do: scan.RemoveField}, {Name: "X-Spam", Do: scan.RemoveField}}
	if f.Changes == nil || !reflect.DeepEqual(f.Changes.Header, want) {
		t.Errorf("%+v", f.Changes)
	}
	if f, _ := parse([]byte(`{"score":1,"action":"no action","milter":{"remove_headers":[]}}`)); f.Changes != nil {
		t.Errorf("%+v", f.Changes)
	}
}

func TestActions(t *testing.T) {
	for action, want := range map[string]scan.Action{"no action": scan.Accept, "greylist": scan.Accept, "add header": scan.Junk, "add_header": scan.Junk,
		"rewrite subject": scan.Junk, "soft reject": scan.TempFail, "reject": scan.Reject, "discard": scan.Discard, "quarantine": scan.Quarantine, "something new": scan.Accept} {
		f, err := parse([]byte(`{"score":-1.5,"required_score":15,"action":"` + action + `","messages":{"smtp_message":"Try again later"}}`))
		if err != nil || f.Action != want || f.Score != -1.5 || f.Required != 15 {
			t.Errorf("%s: %+v, %v", action, f, err)
		}
	}
	if f, err := parse([]byte(`{"is_skipped":true,"score":0,"action":"no action"}`)); err != nil || !f.Skipped {
		t.Errorf("%+v, %v", f, err)
	}
	// What rspamd 3.4 says to its test pattern.
	f, err := parse([]byte(`{"is_skipped":true,"score":15.0,"required_score":15.0,"action":"reject","symbols":{"GTUBE":{"name":"GTUBE","score":0.0,"metric_score":0.0}},"messages":{"smtp_message":"Gtube pattern"},"message-id":"undef","time_real":0.328327}`))
	if err != nil || f.Skipped || f.Action != scan.Reject || f.Text != "Gtube pattern" {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestWrongAnswers(t *testing.T) {
	for _, body := range []string{"", "null", "[]", "{}", `"reject"`, `{"action":"reject"}`, `{"score":1}`, `{"action":5,"score":1}`, `{"error":"unauthorized"}`, `{"action":"reject","score":1e999}`, "<html>"} {
		if f, err := parse([]byte(body)); !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Unsupported) {
			t.Errorf("%s: %+v, %v", body, f, err)
		}
	}
	for _, status := range []int{301, 403, 404, 500} {
		s := scanner(t)(serve(t, status, `{"action":"no action","score":1}`, nil, nil))
		if f, err := s.Scan(t.Context(), scantest.Message(100)); !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Unsupported) {
			t.Errorf("%d: %+v, %v", status, f, err)
		}
		scantest.Close(s)
	}
}

func TestPing(t *testing.T) {
	s := scanner(t)(serve(t, 200, "pong\r\n", nil, nil))
	defer scantest.Close(s)
	if v, err := s.Ping(t.Context()); v != "rspamd" || err != nil {
		t.Error(v, err)
	}
	other := scanner(t)(serve(t, 200, "hello", nil, nil))
	defer scantest.Close(other)
	if _, err := other.Ping(t.Context()); err == nil {
		t.Error("anything is rspamd")
	}
}

func TestBadURL(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:11333", "ftp://x", "http://", "://"} {
		if _, err := New(Options{URL: url}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	body, _ := os.ReadFile("testdata/gtube.json")
	f.Add(string(body))
	f.Add(`{"action":"reject","score":1,"messages":[],"milter":{"add_headers":{"X":["a",{"value":"b","order":1},null,5]}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		if found, err := parse([]byte(body)); err == nil && !found.Scored && !found.Skipped {
			t.Errorf("%q gives neither a score nor an error", body)
		}
	})
}

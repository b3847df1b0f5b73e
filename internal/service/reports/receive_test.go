package reports

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/dmarcxml"
	"postroad/internal/format/message"
	"postroad/internal/format/reportmail"
	"postroad/internal/format/tlsrpt"
	"postroad/internal/storage/kv"
)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

func tlsFile(domains ...string) []byte {
	r := tlsrpt.Report{Organization: "B", Contact: "tls@mail.b.example", ID: "1@" + strings.Join(domains, ","), Begin: noon.Add(-24 * time.Hour), End: noon.Add(-time.Second)}
	for _, d := range domains {
		r.Policies = append(r.Policies, tlsrpt.Policy{Type: tlsrpt.NoPolicy, Domain: d, Successes: 7, Failures: 1, Details: []tlsrpt.Failure{{Type: tlsrpt.Expired, Count: 1}}})
	}
	return r.JSON()
}

func dmarcFile(domain string, records ...dmarcxml.Record) []byte {
	r := dmarcxml.Report{Organization: "B", Email: "dmarc@b.example", ID: "1", Begin: noon.Add(-24 * time.Hour), End: noon.Add(-time.Second),
		Policy: dmarcxml.Policy{Domain: domain, P: "none"}, Records: records}
	if len(records) == 0 {
		r.Records = []dmarcxml.Record{{IP: netip.MustParseAddr("192.0.2.1"), Count: 3, Disposition: "none", DKIM: "pass", SPF: "fail", HeaderFrom: domain}}
	}
	return r.XML()
}

// arrived is a message with a file. how says who vouches for it: "" nobody was asked, "-" nobody does, "dmarc:x" DMARC, else signers.
func arrived(file []byte, how string) *Arrived {
	d := message.Draft{Body: message.NewMultipart("mixed", message.NewText("hello"), message.NewAttachment("f", "", file))}
	d.Add("From", "<reports@b.example>")
	a := &Arrived{ID: "1", Content: bytes.NewReader(d.Bytes()), Checked: how != ""}
	if author, ok := strings.CutPrefix(how, "dmarc:"); ok {
		a.Author = author
	} else if how != "" && how != "-" {
		a.Signers = strings.Split(how, " ")
	}
	return a
}

// TestReceiving: which reports are kept.
func TestReceiving(t *testing.T) {
	for _, c := range []struct {
		name    string
		a       *Arrived
		tls, dm int
	}{
		{"unchecked", arrived(tlsFile("a.example"), ""), 1, 0},
		{"signed", arrived(tlsFile("a.example"), "x.example mail.b.example"), 1, 0}, // RFC 8460 §3
		{"signed by the domain above", arrived(tlsFile("a.example"), "b.example"), 1, 0},
		{"signed by others", arrived(tlsFile("a.example"), "x.example"), 0, 0},
		{"signed by a top-level domain", arrived(tlsFile("a.example"), "example"), 0, 0},
		{"not signed", arrived(tlsFile("a.example"), "-"), 0, 0},
		{"of several one is ours", arrived(tlsFile("x.example", "mx.a.example"), ""), 1, 0},
		{"about others", arrived(tlsFile("x.example"), ""), 0, 0},
		{"unchecked DMARC", arrived(dmarcFile("a.example"), ""), 0, 1},
		{"passing DMARC", arrived(dmarcFile("a.example"), "dmarc:b.example"), 0, 1},
		{"signed DMARC", arrived(dmarcFile("a.example"), "b.example"), 0, 1},
		{"DMARC of nobody", arrived(dmarcFile("a.example"), "-"), 0, 0},
		{"DMARC about others", arrived(dmarcFile("b.example"), ""), 0, 0},
		{"no report", arrived([]byte("\x89PNG"), ""), 0, 0},
		{"broken", arrived([]byte("{"), ""), 0, 0},
		{"broken too", arrived([]byte("<feedback>"), ""), 0, 0},
		{"a bomb", arrived([]byte("<feedback>"+strings.Repeat("<x>", 1000)), ""), 0, 0},
	} {
		w := newWorld(t)
		for range 2 { // what comes twice is kept once
			if err := w.Take(t.Context(), c.a); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		tls, err := w.TLSReports(t.Context(), Filter{})
		dm, err2 := w.DMARCReports(t.Context(), Filter{})
		if err != nil || err2 != nil || len(tls) != c.tls || len(dm.Reports) != c.dm {
			t.Errorf("%s: %d %d %v %v", c.name, len(tls), len(dm.Reports), err, err2)
		}
		if s := w.Stats(); s.TLSSessions != 16*uint64(c.tls) || s.TLSFailures != 2*uint64(c.tls) || s.DMARCMessages != 6*uint64(c.dm) || s.DMARCFailures != 0 || s.Received != 2*uint64(c.tls+c.dm) || s.Received+s.Ignored != 2 {
			t.Errorf("%s: %+v", c.name, s)
		}
		if len(tls) == 1 && len(tls[0].Policies) != 1 {
			t.Errorf("%s: %+v", c.name, tls)
		}
	}
}

// TestReceivingIsBounded: reports and bytes in a day.
func TestReceivingIsBounded(t *testing.T) {
	for _, have := range [][2]uint64{{maxDayReceived, 0}, {1, maxDayBytes}} {
		w := newWorld(t)
		set := func(reports, bytes uint64) {
			err := w.db.Update(t.Context(), Partition, func(tx kv.Tx) error {
				return tx.Set(dayKey(keyArrivals, dayOf(noon)), encodeTotals(reports, bytes))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		set(have[0]-1, have[1]-min(have[1], 1000))
		for _, domain := range []string{"a.example", "b.a.example"} {
			set(have[0], have[1])
			if err := w.Take(t.Context(), arrived(dmarcFile(domain), "")); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.stored(keyReceived); n != 0 {
			t.Errorf("%v: %d kept", have, n)
		}
		w.now = noon.Add(24 * time.Hour)
		if err := w.Take(t.Context(), arrived(dmarcFile("a.example"), "")); err != nil || w.stored(keyReceived) != 1 {
			t.Errorf("the next day: %d %v", w.stored(keyReceived), err)
		}
	}
}

// TestTrouble: if the store fails, the message shall come again.
func TestTrouble(t *testing.T) {
	w := newWorld(t)
	w.db.Close()
	if err := w.Take(t.Context(), arrived(dmarcFile("a.example"), "")); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	ctx, stop := contextWithCancel(t)
	stop()
	w.reading <- struct{}{}
	if err := w.Take(ctx, arrived(dmarcFile("a.example"), "")); !fault.Is(err, fault.Canceled) {
		t.Error(err)
	}
}

// TestWhoSentAsUs: sources are summed up over reports.
func TestWhoSentAsUs(t *testing.T) {
	w := newWorld(t)
	record := func(ip string, n uint64, result string) dmarcxml.Record {
		return dmarcxml.Record{IP: netip.MustParseAddr(ip), Count: n, Disposition: "none", DKIM: result, SPF: "fail", HeaderFrom: "a.example",
			Signatures: []dmarcxml.Signature{{Domain: "a.example", Selector: "s", Result: result}}, Sender: dmarcxml.Sender{Domain: "a.example", Result: "fail"}}
	}
	for day := range 3 {
		r := dmarcxml.Report{Organization: fmt.Sprint("R", day), Email: "x@b.example", ID: "1", Begin: noon.Add(-24 * time.Hour), End: w.now.Add(-time.Second),
			Policy:  dmarcxml.Policy{Domain: "a.example", P: "none"},
			Records: []dmarcxml.Record{record("192.0.2.1", 10, "pass"), record("203.0.113.9", 4, "fail")}}
		if err := w.Take(t.Context(), arrived(r.XML(), "")); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(24 * time.Hour)
	}
	for _, c := range []struct {
		f    Filter
		want string
	}{
		{Filter{}, "192.0.2.1 30 pass 3 [R2 R1 R0]; 203.0.113.9 12 fail 3 [R2 R1 R0]; R2 14/10; R1 14/10; R0 14/10; "},
		{Filter{Since: noon.Add(24 * time.Hour)}, "192.0.2.1 10 pass 1 [R2]; 203.0.113.9 4 fail 1 [R2]; R2 14/10; "},
		{Filter{Limit: 1}, "192.0.2.1 30 pass 3 [R2 R1 R0]; R2 14/10; more"},
		{Filter{Domain: "A.example"}, "192.0.2.1 30 pass 3 [R2 R1 R0]; 203.0.113.9 12 fail 3 [R2 R1 R0]; R2 14/10; R1 14/10; R0 14/10; "},
		{Filter{Domain: "x.example"}, ""},
	} {
		sum, err := w.DMARCReports(t.Context(), c.f)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, s := range sum.Sources {
			got += fmt.Sprintln(s.IP, s.Count, s.DKIM, s.Reports, s.Reporters)
		}
		for _, r := range sum.Reports {
			got += fmt.Sprintf("%s %d/%d\n", r.Organization, r.Messages, r.Passed)
		}
		if sum.More {
			got += "more"
		}
		if got = strings.ReplaceAll(got, "\n", "; "); got != c.want {
			t.Errorf("%+v: %s", c.f, got)
		}
	}
}

func TestTakes(t *testing.T) {
	for local, want := range map[string]bool{"tls-reports": true, "DMARC-Reports": true, "reports": false, "": false} {
		if Takes(local) != want {
			t.Errorf("%q", local)
		}
	}
}

// TestPublic: strangers don't make us connect to our own network.
func TestPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1": true, "192.0.2.1": true,
		"127.0.0.1": false, "10.1.2.3": false, "192.168.0.1": false, "172.16.0.1": false, "169.254.169.254": false, "100.64.0.1": false, "0.0.0.0": false,
		"224.0.0.1": false, "255.255.255.255": false, "::1": false, "fe80::1": false, "fd00::1": false, "::": false, "64:ff9b::7f00:1": false, "198.18.0.1": false,
	} {
		if got := public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	w := newWorld(t)
	w.dns.Add(t, "in.example. A 127.0.0.1\nin.example. A 10.0.0.1\nout.example. A 10.0.0.1\nout.example. A 192.0.2.7\nmapped.example. AAAA ::ffff:127.0.0.1")
	for host, want := range map[string]string{"in.example": "", "out.example": "192.0.2.7:443", "mapped.example": "", "127.0.0.1": "", "none.example": ""} {
		dialed := ""
		_, err := NewTransport(w.dns, func(_ context.Context, _, address string) (net.Conn, error) {
			dialed = address
			return nil, nil
		}).DialContext(t.Context(), "tcp", net.JoinHostPort(host, "443"))
		if dialed != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q %v", host, dialed, err)
		}
	}
}

// TestPostingForReal: a report is posted to a host whose certificate nobody vouches for, and a redirect leads nowhere.
func TestPostingForReal(t *testing.T) {
	got := make(chan string, 2)
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		packed, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		file, err := reportmail.Unpack(packed)
		got <- fmt.Sprintln(r.Method, r.URL.Path, r.Header.Get("Content-Type"), bytes.Contains(file, []byte(`"policy-domain": "web.example"`)), err)
		if r.URL.Path != "/tls" {
			http.Redirect(w, r, "/tls", http.StatusTemporaryRedirect)
		}
	}))
	defer web.Close()
	w := newWorld(t)
	w.dns.Add(t, "reports.web.example. A 192.0.2.7")
	w.o.HTTP = NewTransport(w.dns, func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != "192.0.2.7:443" {
			t.Errorf("dialed %s", address)
		}
		var d net.Dialer
		return d.DialContext(ctx, network, web.Listener.Addr().String())
	})
	w.Observe(success("web.example"))
	w.now = noon.Add(24 * time.Hour)
	if n := w.send(true); n != 1 || len(w.sent) != 1 {
		t.Errorf("%d sent, %d by mail", n, len(w.sent))
	}
	if said := <-got; said != "POST /tls application/tlsrpt+gzip true <nil>\n" {
		t.Errorf("%q", said)
	}
	if err := w.post(t.Context(), "https://reports.web.example/elsewhere", nil); !fault.Is(err, fault.Unavailable) || len(got) != 1 {
		t.Errorf("redirected: %v", err)
	}
}

// FuzzTake: whatever arrives is kept or passed over.
func FuzzTake(f *testing.F) {
	for _, file := range [][]byte{tlsFile("a.example"), dmarcFile("a.example")} {
		f.Add(append([]byte("Content-Type: application/octet-stream\r\n\r\n"), file...))
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, msg []byte) {
		if err := w.Take(t.Context(), &Arrived{Content: bytes.NewReader(msg)}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.TLSReports(t.Context(), Filter{}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.DMARCReports(t.Context(), Filter{}); err != nil {
			t.Fatal(err)
		}
	})
}

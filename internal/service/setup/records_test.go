package setup_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	wire "github.com/miekg/dns"

	"postroad/internal/service/mtasts"
	"postroad/internal/service/setup"
)

var update = flag.Bool("update", false, "write the transcripts anew")

// golden compares a text with what a file holds.
func golden(t *testing.T, file, got string) {
	t.Helper()
	name := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}

func zone(t testing.TB, domain string, records []setup.Record) string {
	t.Helper()
	var b strings.Builder
	if err := setup.WriteZone(&b, domain, records); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestRecords: all that there can be, for people and as a master file.
func TestRecords(t *testing.T) {
	records := setup.Records(facts(t))
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "%s %s %s\n    %s: %s\n", r.Name, r.Type, r.Value, r.Need, r.Why)
	}
	golden(t, "records.txt", b.String())
	golden(t, "example.org.zone", zone(t, "example.org", records))
}

// find returns the values of a name's records of a type.
func find(records []setup.Record, name, typ string) (values []string) {
	for _, r := range records {
		if r.Name == name+"." && r.Type == typ {
			values = append(values, r.Value)
		}
	}
	return values
}

// TestRecordsFollowTheFacts: what depends on what.
func TestRecordsFollowTheFacts(t *testing.T) {
	f := facts(t)
	f.Hostname = "mx.provider.example"
	for _, r := range setup.Records(f) {
		if outside := !strings.HasSuffix(r.Name, ".example.org.") && r.Name != "example.org."; outside != r.Elsewhere {
			t.Errorf("%s: elsewhere is %v", r.Name, r.Elsewhere)
		}
	}
	if strings.Contains(zone(t, "example.org", setup.Records(f)), "\nmx.provider.example.") {
		t.Error("another zone's records are in this one")
	}

	f = facts(t)
	f.Hostname = f.Domain
	if got := find(setup.Records(f), f.Domain, "TXT"); len(got) != 1 { // two SPF records would be none
		t.Errorf("%q", got)
	}

	f = facts(t)
	f.Sources = append(f.Sources, netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("2001:db8::9"))
	if got := find(setup.Records(f), f.Domain, "TXT"); !slices.Equal(got, []string{"v=spf1 mx ip4:192.0.2.9 ip6:2001:db8::9 ~all"}) {
		t.Errorf("%q", got)
	}

	f = facts(t)
	f.Services = []setup.Service{{Protocol: setup.IMAP, Port: 1993, Implicit: true}, {Protocol: setup.IMAP, Port: 993, Implicit: true}, {Protocol: setup.IMAP, Port: 1994, Implicit: true}}
	elsewhere := f
	elsewhere.Public = []setup.Service{{Protocol: setup.IMAP, Port: 10993, Implicit: true, Host: "imap.example.net"}, {Protocol: setup.Submission, Port: 465, Implicit: true}}
	for name, want := range map[string]string{"_imaps": "0 1 10993 imap.example.net.", "_submissions": "0 1 465 mail.example.org.", "_imap": "0 0 0 ."} {
		if got := find(setup.Records(elsewhere), name+"._tcp.example.org", "SRV"); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := find(setup.Records(f), "_sieve._tcp.example.org", "SRV"); got != nil {
		t.Errorf("%q, though there is no ManageSieve", got)
	}
	elsewhere.Services = append(elsewhere.Services, setup.Service{Protocol: setup.Sieve, Port: 4190})
	if got := find(setup.Records(elsewhere), "_sieve._tcp.example.org", "SRV"); !slices.Equal(got, []string{"0 1 4190 mail.example.org."}) {
		t.Errorf("%q", got)
	}
	if got := find(setup.Records(f), "_imaps._tcp.example.org", "SRV"); !slices.Equal(got, []string{"0 1 993 mail.example.org."}) {
		t.Errorf("%q", got)
	}

	f = facts(t)
	f.Policy = mtasts.Policy{}
	f.Chain, f.TLSReports, f.DMARCReports = nil, "", ""
	records := setup.Records(f)
	for _, gone := range []string{"_mta-sts.example.org", "_smtp._tls.example.org", "_25._tcp.mail.example.org"} {
		if got := slices.Concat(find(records, gone, "TXT"), find(records, gone, "TLSA")); got != nil {
			t.Errorf("%s: %q", gone, got)
		}
	}
	if got := find(records, "_dmarc.example.org", "TXT"); !slices.Equal(got, []string{"v=DMARC1; p=none"}) {
		t.Errorf("%q", got)
	}

	f = facts(t)
	f.SmartHost = "smtp.provider.example"
	if records := setup.Records(f); len(find(records, "1.2.0.192.in-addr.arpa", "PTR")) > 0 || !strings.Contains(zone(t, "example.org", records), "leaves through smtp.provider.example") {
		t.Error("a smart host changes nothing")
	}

	f = facts(t)
	f.Signed = false
	if z := zone(t, "example.org", setup.Records(f)); !strings.Contains(z, "\n; _25._tcp.mail.example.org. 3600 IN TLSA 3 1 1 ") {
		t.Error("TLSA in a zone that isn't signed")
	}
}

// TestPolicyIDFollowsThePolicy: whoever knows the old one must look again (RFC 8461 §3.1).
func TestPolicyIDFollowsThePolicy(t *testing.T) {
	f := facts(t)
	before := find(setup.Records(f), "_mta-sts.example.org", "TXT")
	f.Policy.Mode = mtasts.Enforce
	if after := find(setup.Records(f), "_mta-sts.example.org", "TXT"); slices.Equal(before, after) {
		t.Error(after)
	}
}

// parse reads a master file with another's parser.
func parse(t testing.TB, zone string) (all []wire.RR) {
	t.Helper()
	p := wire.NewZoneParser(strings.NewReader(zone), ".", "zone")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		all = append(all, rr)
	}
	if err := p.Err(); err != nil {
		t.Fatalf("%v in\n%s", err, zone)
	}
	return all
}

// TestZoneIsWhatOthersRead: each record that isn't a comment is there, whole.
func TestZoneIsWhatOthersRead(t *testing.T) {
	records := setup.Records(facts(t))
	got := parse(t, zone(t, "example.org", records))
	i := 0
	for _, r := range records {
		if r.Elsewhere || r.Need == setup.Optional {
			continue
		}
		h := got[i].Header()
		if h.Name != r.Name || wire.TypeToString[h.Rrtype] != r.Type || h.Ttl != 3600 {
			t.Errorf("%v, want %v", got[i], r)
		}
		if txt, ok := got[i].(*wire.TXT); ok && strings.Join(txt.Txt, "") != r.Value {
			t.Errorf("%q, want %q", txt.Txt, r.Value)
		}
		i++
	}
	if i != len(got) {
		t.Errorf("%d records, want %d", len(got), i)
	}
}

// FuzzZone: whatever a text holds, it stays one record, and others read it as it was.
func FuzzZone(f *testing.F) {
	f.Add("v=spf1 mx ~all", "why", false)
	f.Add("a\"b\\c;d(\ne\x00\xff", "line\n. IN A 192.0.2.66", true)
	f.Add(strings.Repeat("x", 255), "", false)
	f.Add(strings.Repeat("\\", 256), "\r\n$INCLUDE /etc/passwd", true)
	f.Fuzz(func(t *testing.T, value, why string, optional bool) {
		if len(value) > 4000 {
			return
		}
		facts := setup.Facts{Domain: "example.org", Hostname: "mail.example.org", Keys: []setup.Key{{Selector: "s", Record: value}}}
		records := setup.Records(facts)
		i := slices.IndexFunc(records, func(r setup.Record) bool { return strings.HasPrefix(r.Name, "s._domainkey") })
		one := records[i]
		one.Why = why
		if optional {
			one.Need = setup.Optional
		}
		got := parse(t, zone(t, "example.org", []setup.Record{one}))
		if optional {
			if len(got) > 0 {
				t.Errorf("%v escaped from its comment", got)
			}
			return
		}
		if len(got) != 1 {
			t.Fatalf("%d records: %v", len(got), got)
		}
		packed := make([]byte, 8192)
		n, err := wire.PackRR(got[0], packed, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		if read := text255(packed[n-rdlength(packed) : n]); read != value {
			t.Errorf("%q became %q", value, read)
		}
	})
}

// rdlength finds how long the data of a packed record is: it stands after name, type, class and TTL.
func rdlength(packed []byte) int {
	i := 0
	for packed[i] != 0 {
		i += int(packed[i]) + 1
	}
	return int(packed[i+9])<<8 | int(packed[i+10])
}

// text255 joins the strings of a text record's data.
func text255(data []byte) string {
	var b strings.Builder
	for len(data) > 0 {
		n := int(data[0])
		b.Write(data[1 : 1+n])
		data = data[1+n:]
	}
	return b.String()
}

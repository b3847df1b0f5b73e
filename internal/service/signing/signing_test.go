package signing

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/directory/directorytest"
	"postroad/internal/model/ident"
	"postroad/internal/service/delivery"
	"postroad/internal/service/sender/arc"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
	"postroad/internal/service/transfer"
)

var epoch = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// oneRSA makes one RSA key for all tests, since that takes long.
var oneRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, directory.DKIMBits) })

// world is a directory with two domains that sign, ours.example and other.example, one whose keys are pending, pending.example,
// and the people ann@ours.example and bob@other.example; and a Service.
type world struct {
	*Service
	dir      *directory.Directory
	now      time.Time
	ann, bob ident.Identity
	log      bytes.Buffer
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{now: epoch}
	ctx := t.Context()
	clock := func() time.Time { return w.now }
	w.dir, _ = directorytest.Open(t, directory.Options{Now: clock, NewRSA: oneRSA})
	for _, domain := range []string{"ours.example", "other.example", "pending.example"} {
		_, err := w.dir.AddSigningDomain(ctx, domain)
		must(t, err)
		keys, err := w.dir.DKIMKeys(ctx, domain)
		must(t, err)
		for _, k := range keys {
			if domain != "pending.example" {
				must(t, w.dir.ActivateKey(ctx, domain, k.Selector))
			}
		}
	}
	w.ann, w.bob = w.person(t, "ann@ours.example"), w.person(t, "bob@other.example")
	w.Service = New(Options{Directory: w.dir, Hostname: "mx.ours.example", Now: clock, Logger: slog.New(slog.NewTextHandler(&w.log, nil))})
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) person(t testing.TB, address string) ident.Identity {
	t.Helper()
	a, err := w.dir.AddAccount(t.Context(), directory.NewAccount{Address: address})
	must(t, err)
	who, err := w.dir.Identity(t.Context(), a.ID)
	must(t, err)
	return who
}

// LookupTXT makes a world a resolver of the keys that should be published.
func (w *world) LookupTXT(ctx context.Context, name string) ([]string, error) {
	selector, domain, _ := strings.Cut(name, "._domainkey.")
	keys, err := w.dir.DKIMKeys(ctx, domain)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if k.Selector == selector {
			_, text, err := dkim.SigningKey{Domain: domain, Selector: selector, Private: k.Signer()}.Record()
			return []string{text}, err
		}
	}
	return nil, fault.New(fault.NotFound, "no record")
}

// seal seals a message and returns it as it leaves.
func (w *world) seal(t testing.TB, l delivery.Leaving, msg string) string {
	t.Helper()
	fields, err := w.Seal(t.Context(), l, strings.NewReader(msg))
	must(t, err)
	return string(fields) + msg
}

// signatures verifies a message and says of each signature from the top "domain algorithm result".
func (w *world) signatures(t testing.TB, msg string) (all []string) {
	t.Helper()
	v := dkim.NewVerifier(dkim.Options{Resolver: w, Now: func() time.Time { return w.now }})
	io.WriteString(v, msg)
	for _, r := range v.Results(t.Context()) {
		all = append(all, fmt.Sprintf("%s %s %s", r.Domain, r.Algorithm, r.Status))
	}
	return all
}

func (w *world) chain(t testing.TB, msg string) arc.Result {
	t.Helper()
	v := arc.NewVerifier(arc.Options{Resolver: w})
	io.WriteString(v, msg)
	return v.Result(t.Context())
}

func letter(from string) string {
	return "From: " + from + "\r\nTo: ben@elsewhere.example\r\nSubject: a  letter\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nHello \t there.\r\n\r\n\r\n"
}

func pass(domains ...string) (all []string) {
	for _, d := range domains {
		all = append(all, d+" rsa-sha256 pass", d+" ed25519-sha256 pass")
	}
	return all
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: signatures %q, want %q", what, got, want)
	}
}

func TestWhoSigns(t *testing.T) {
	w := newWorld(t)
	system := ident.System()
	must(t, w.dir.AddAlias(t.Context(), "info@other.example", []string{"ann@ours.example"}))
	pat := w.person(t, "pat@pending.example")
	for what, c := range map[string]struct {
		l    delivery.Leaving
		from string
		want []string
	}{
		"own address":               {delivery.Leaving{Who: &w.ann, From: "ann@ours.example"}, "Ann <ann@ours.example>", pass("ours.example")},
		"own address with a detail": {delivery.Leaving{Who: &w.ann, From: "ann@ours.example"}, "ann+x@OURS.example", pass("ours.example")},
		"own alias elsewhere":       {delivery.Leaving{Who: &w.ann, From: "ann@ours.example"}, "info@other.example", pass("other.example")},
		"another's name":            {delivery.Leaving{Who: &w.ann, From: "ann@ours.example"}, "bob@other.example", pass("ours.example")},
		"a name from outside":       {delivery.Leaving{Who: &w.ann, From: "ann@ours.example"}, "ann@elsewhere.example", pass("ours.example")},
		"a host in the domain":      {delivery.Leaving{Who: &w.ann, From: "ann@ours.example"}, "cron@host.ours.example", pass("ours.example")},
		"null path":                 {delivery.Leaving{Who: &w.ann}, "bob@other.example", pass("ours.example")},
		"nonsense":                  {delivery.Leaving{Who: &w.ann, From: "ann@ours.example"}, "<>", pass("ours.example")},
		"two people":                {delivery.Leaving{Who: &w.ann, From: "ann@ours.example"}, "ann@ours.example, bob@other.example", pass("ours.example")},
		"group syntax":              {delivery.Leaving{Who: &w.ann, From: "ann@ours.example"}, "us: info@other.example;", pass("other.example")},
		"keys are pending":          {delivery.Leaving{Who: &pat, From: "pat@pending.example"}, "pat@pending.example", nil},
		"by an alias elsewhere":     {delivery.Leaving{Who: &w.ann, From: "ann@ours.example", Via: "other.example"}, "ann@ours.example", pass("ours.example")},
		"to a list":                 {delivery.Leaving{Who: &w.ann, From: "ann@ours.example", Via: "other.example", List: true}, "ann@ours.example", pass("ours.example", "other.example")},
		"to a list of the domain":   {delivery.Leaving{Who: &w.ann, From: "ann@ours.example", Via: "ours.example", List: true}, "ann@ours.example", pass("ours.example")},
		"a notification":            {delivery.Leaving{Who: &system}, "postmaster@ours.example", pass("ours.example")},
		"a notification by host":    {delivery.Leaving{Who: &system}, "MAILER-DAEMON <mailer-daemon@mx.ours.example>", pass("ours.example")},
		"a stranger":                {delivery.Leaving{From: "eve@elsewhere.example"}, "ann@ours.example", nil},
		"a stranger by an alias":    {delivery.Leaving{From: "eve@elsewhere.example", Via: "ours.example"}, "ann@ours.example", nil},
		"a stranger to a list":      {delivery.Leaving{From: "eve@elsewhere.example", Via: "ours.example", List: true}, "eve@elsewhere.example", pass("ours.example")},
		"a list without keys":       {delivery.Leaving{From: "eve@elsewhere.example", Via: "pending.example", List: true}, "eve@elsewhere.example", nil},
	} {
		same(t, what, w.signatures(t, w.seal(t, c.l, letter(c.from))), c.want)
	}
}

// Two From fields are nobody's in particular.
func TestTwoAuthors(t *testing.T) {
	w := newWorld(t)
	l := delivery.Leaving{Who: &w.bob, From: "bob@other.example"}
	same(t, "two fields", w.signatures(t, w.seal(t, l, "From: bob@other.example\r\n"+letter("ann@ours.example"))), pass("other.example"))
}

// What signatures must hold: RFC 6376 §5.4, §8.15.
func TestSignatureTags(t *testing.T) {
	w := newWorld(t)
	fields := w.seal(t, delivery.Leaving{Who: &w.ann, From: "ann@ours.example"}, letter("ann@ours.example"))
	fields = strings.ReplaceAll(fields[:strings.Index(fields, "From: ann")], "\r\n\t", "")
	for _, want := range []string{"c=relaxed/relaxed;", "d=ours.example; s=r20261121;", "s=e20261121;", "t=1795262400;", "h=from:from:reply-to:subject:subject:date:date:to:to:cc:"} {
		if !strings.Contains(fields, want) {
			t.Errorf("there is no %q in %s", want, fields)
		}
	}
	for _, bad := range []string{"i=", "x=", "l=", "received", "return-path"} {
		if strings.Contains(fields, " "+bad) || strings.Contains(fields, ";"+bad) {
			t.Errorf("there is %q in %s", bad, fields)
		}
	}
	whole := w.seal(t, delivery.Leaving{Who: &w.ann, From: "ann@ours.example"}, letter("ann@ours.example"))
	for what, changed := range map[string]string{
		"a From more": "From: eve@elsewhere.example\r\n" + whole, "a Subject more": strings.Replace(whole, "\r\nTo:", "\r\nSubject: x\r\nTo:", 1),
		"a Reply-To more": "Reply-To: eve@elsewhere.example\r\n" + whole, "another body": strings.Replace(whole, "there", "here", 1),
	} {
		for _, s := range w.signatures(t, changed) {
			if !strings.HasSuffix(s, "fail") {
				t.Errorf("%s: %s", what, s)
			}
		}
	}
}

func verdict(chain string) *delivery.Verdict {
	return &delivery.Verdict{Results: authres.Header{ID: "mx.ours.example", Methods: []authres.Method{{Name: "spf", Result: authres.Pass}}}.Value(), Chain: chain}
}

// TestForwardedMailIsSealed over three sites, one of them with nothing to say.
func TestForwardedMailIsSealed(t *testing.T) {
	w := newWorld(t)
	msg := w.seal(t, delivery.Leaving{Who: &w.bob, From: "bob@other.example"}, letter("bob@other.example"))
	msg = w.seal(t, delivery.Leaving{From: "bob@other.example", Via: "ours.example", Verdict: verdict("none")}, msg)
	if r := w.chain(t, msg); r.Status != authres.Pass || len(r.Sets) != 1 || r.Sets[0].Domain != "ours.example" || r.Sets[0].Selector != "r20261121" || !strings.HasPrefix(r.Sets[0].Results, "mx.ours.example;") {
		t.Fatalf("%+v\n%s", r, msg)
	}
	same(t, "forwarded", w.signatures(t, msg), pass("other.example"))
	listed := "List-Id: <club.other.example>\r\n" + msg
	listed = w.seal(t, delivery.Leaving{From: "bob@other.example", Via: "other.example", List: true, Verdict: verdict("pass")}, listed)
	if r := w.chain(t, listed); r.Status != authres.Pass || len(r.Sets) != 2 {
		t.Fatalf("%+v\n%s", r, listed)
	}
	same(t, "through a list", w.signatures(t, listed), append(pass("other.example"), pass("other.example")...))
	broken := w.seal(t, delivery.Leaving{From: "x@y.example", Via: "ours.example", Verdict: verdict("fail")}, strings.Replace(msg, "Hello", "Hallo", 1))
	if r := w.chain(t, broken); r.Status != authres.Fail || !strings.Contains(broken, "cv=fail") {
		t.Errorf("%+v\n%s", r, broken)
	}
	if st := w.Stats(); st != (Stats{Signed: 2, Sealed: 3}) {
		t.Errorf("%+v", st)
	}
}

func TestWhatIsNotSealed(t *testing.T) {
	w := newWorld(t)
	for what, l := range map[string]delivery.Leaving{
		"unchecked":       {From: "a@b.example", Via: "ours.example"},
		"chain unknown":   {From: "a@b.example", Via: "ours.example", Verdict: verdict("")},
		"no results":      {From: "a@b.example", Via: "ours.example", Verdict: &delivery.Verdict{Chain: "none"}},
		"no keys":         {From: "a@b.example", Via: "pending.example", Verdict: verdict("none")},
		"not ours":        {From: "a@b.example", Via: "elsewhere.example", Verdict: verdict("none")},
		"chain not there": {From: "a@b.example", Via: "ours.example", Verdict: verdict("pass")},
		"chain nonsense":  {From: "a@b.example", Via: "ours.example", Verdict: verdict("odd")},
		"results hostile": {From: "a@b.example", Via: "ours.example", Verdict: &delivery.Verdict{Chain: "none", Results: "a; spf=pass\r\nBcc: x"}},
	} {
		if got := w.seal(t, l, letter("a@b.example")); got != letter("a@b.example") {
			t.Errorf("%s: %s", what, got)
		}
	}
}

// Results may come without our name in front.
func TestResultsGetOurName(t *testing.T) {
	w := newWorld(t)
	l := delivery.Leaving{From: "a@b.example", Via: "ours.example", Verdict: &delivery.Verdict{Chain: "none", Results: "spf=pass smtp.mailfrom=a@b.example; dkim=none"}}
	msg := w.seal(t, l, letter("a@b.example"))
	if r := w.chain(t, msg); r.Status != authres.Pass || !strings.HasPrefix(r.Sets[0].Results, "mx.ours.example; spf=pass") {
		t.Errorf("%+v", r)
	}
}

func TestWhatCannotBeSigned(t *testing.T) {
	w := newWorld(t)
	l := delivery.Leaving{Who: &w.ann, From: "ann@ours.example", Via: "ours.example", List: true}
	for what, msg := range map[string]string{
		"no From": "Subject: x\r\n\r\nbody\r\n", "nothing": "", "no header": "\r\nbody\r\n",
		"header too long": "From: ann@ours.example\r\nX: " + strings.Repeat("a", dkim.MaxHeader) + "\r\n\r\nbody\r\n",
		"half a field":    " x\r\nFrom: ann@ours.example\r\n\r\nbody\r\n",
		"only a header":   strings.Repeat("x", dkim.MaxHeader+5),
	} {
		fields, err := w.Seal(t.Context(), l, strings.NewReader(msg))
		if err != nil || len(fields) > 0 {
			t.Errorf("%s: %q, %v", what, fields, err)
		}
	}
	for room, want := range map[int][]string{0: nil, 8 << 10: pass("ours.example")} { // at the limit there is no room for a verifier to read the signatures too
		edge := "From: ann@ours.example\r\nX: " + strings.Repeat("a", dkim.MaxHeader-room-len("From: ann@ours.example\r\nX: \r\n\r\n")) + "\r\n\r\nbody\r\n"
		same(t, "a long header", w.signatures(t, w.seal(t, l, edge)), want)
	}
	if st := w.Stats(); st.Unsigned != 6 || st.Signed != 2 {
		t.Errorf("%+v", st)
	}
}

// Mail without keys is spoken of once a day for each domain.
func TestComplaints(t *testing.T) {
	w := newWorld(t)
	pat := w.person(t, "pat@pending.example")
	count := func() int { return strings.Count(w.log.String(), "domain=pending.example") }
	for i, step := range []time.Duration{0, time.Hour, 22 * time.Hour, time.Hour, time.Hour} {
		w.now = w.now.Add(step)
		w.seal(t, delivery.Leaving{Who: &pat, From: "pat@pending.example"}, letter("pat@pending.example"))
		if want := 1 + i/3; count() != want {
			t.Errorf("after %d messages: said %d times", i+1, count())
		}
	}
	if strings.Contains(w.log.String(), "elsewhere") || strings.Contains(w.log.String(), "private") {
		t.Error(w.log.String())
	}
}

// brokenDirectory fails in all that it is asked.
type brokenDirectory struct{ Directory }

var errBroken = fault.New(fault.Unavailable, "broken")

func (brokenDirectory) SigningKeys(context.Context, string) ([]directory.DKIMKey, error) {
	return nil, errBroken
}

// contentFunc is a Content that fails.
type failing struct{ io.ReaderAt }

func (failing) Size() int64 { return 100 }
func (failing) ReadAt([]byte, int64) (int, error) {
	return 0, iotest.ErrTimeout
}

func TestFailures(t *testing.T) {
	w := newWorld(t)
	l := delivery.Leaving{Who: &w.ann, From: "ann@ours.example", Via: "ours.example", List: true}
	if _, err := w.Seal(t.Context(), l, failing{}); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("content that can't be read: %v", err)
	}
	s := New(Options{Directory: brokenDirectory{w.dir}})
	for _, l := range []delivery.Leaving{l, {From: "a@b.example", Via: "ours.example", Verdict: verdict("none")}, {Via: "ours.example", List: true}} {
		if _, err := s.Seal(t.Context(), l, strings.NewReader(letter("ann@ours.example"))); !errors.Is(err, errBroken) {
			t.Errorf("a directory that can't be read: %v", err)
		}
	}
}

// Keys that are activated sign from the next message on, and all at once.
func TestKeysChangeUnderWay(t *testing.T) {
	w := newWorld(t)
	l := delivery.Leaving{Who: &w.ann, From: "ann@ours.example"}
	ctx := t.Context()
	made, err := w.dir.RotateKeys(ctx, "ours.example")
	must(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 8 {
				same(t, "under way", w.signatures(t, w.seal(t, l, letter("ann@ours.example"))), pass("ours.example"))
			}
		})
	}
	for _, k := range made {
		must(t, w.dir.ActivateKey(ctx, "ours.example", k.Selector))
	}
	wg.Wait()
	if msg := w.seal(t, l, letter("ann@ours.example")); !strings.Contains(msg, "s=r20261121b;") || !strings.Contains(msg, "s=e20261121b;") {
		t.Error(msg)
	}
}

// bodies are those that canonical forms differ about.
var bodies = []string{"", "\r\n", "Hello\r\n", " a \t b  \r\n\r\n \r\n", "x\r\n\r\n\r\n", strings.Repeat("long ", 180) + "\r\n", "\xffbinary\x00\r\n", "no end"}

// TestMsgauthVerifies: go-msgauth, which somebody else wrote, finds both signatures good.
func TestMsgauthVerifies(t *testing.T) {
	w := newWorld(t)
	for _, body := range bodies {
		header, _, _ := strings.Cut(letter("ann@ours.example"), "\r\n\r\n")
		msg := w.seal(t, delivery.Leaving{Who: &w.ann, From: "ann@ours.example"}, header+"\r\n\r\n"+body)
		found, err := msgauth.VerifyWithOptions(strings.NewReader(msg), &msgauth.VerifyOptions{
			LookupTXT: func(name string) ([]string, error) { return w.LookupTXT(t.Context(), name) }})
		if err != nil || len(found) != 2 {
			t.Fatalf("%q: %v %v", body, found, err)
		}
		for _, f := range found {
			if f.Err != nil || f.Domain != "ours.example" {
				t.Errorf("%q: %s: %v", body, f.Domain, f.Err)
			}
		}
	}
}

// records writes a domain's records for the others' programs.
func (w *world) records(t *testing.T, domain string) string {
	keys, err := w.dir.DKIMKeys(t.Context(), domain)
	must(t, err)
	var b strings.Builder
	for _, k := range keys {
		name, text, err := dkim.SigningKey{Domain: domain, Selector: k.Selector, Private: k.Signer()}.Record()
		must(t, err)
		fmt.Fprintf(&b, "%s %s\n", name, text)
	}
	return b.String()
}

// TestOpenDKIMVerifies, where it is installed (Debian's package opendkim).
func TestOpenDKIMVerifies(t *testing.T) {
	program, err := exec.LookPath("opendkim")
	if err != nil {
		t.Skip("opendkim is not installed")
	}
	w := newWorld(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	conf := write("conf", "Mode v\nTestDNSData file:"+write("keys", w.records(t, "ours.example"))+"\n")
	for _, body := range bodies {
		if strings.Contains(body, "\x00") || !strings.HasSuffix(body, "\n") && body != "" {
			continue // not what its reader of files takes
		}
		header, _, _ := strings.Cut(letter("ann@ours.example"), "\r\n\r\n")
		msg := w.seal(t, delivery.Leaving{Who: &w.ann, From: "ann@ours.example"}, header+"\r\n\r\n"+body)
		out, err := exec.Command(program, "-x", conf, "-t", write("message", msg), "-vv").CombinedOutput()
		if err != nil || strings.Count(string(out), "dkim=pass") != 2 {
			t.Errorf("%q: %v\n%s", body, err, out)
		}
	}
}

// dkimpy verifies the messages in the files that it is given, with records from the first.
const dkimpy = `
import sys, dkim
records = dict(line.split(" ", 1) for line in open(sys.argv[1]).read().splitlines())
def txt(name, timeout=5):
    return records.get(name.decode().rstrip(".")).encode()
for file in sys.argv[2:]:
    message = open(file, "rb").read()
    d = dkim.DKIM(message)
    verdict = [d.verify(0, dnsfunc=txt), d.verify(1, dnsfunc=txt)]
    if b"ARC-Seal" in message:
        verdict.append(dkim.ARC(message).verify(dnsfunc=txt)[0].decode())
    print(*verdict)
`

// TestDkimpyVerifies signatures and chains, where it is installed (Debian's package python3-dkim).
func TestDkimpyVerifies(t *testing.T) {
	python := "/usr/bin/python3"
	if exec.Command(python, "-c", "import dkim, nacl").Run() != nil {
		t.Skip("dkimpy is not installed")
	}
	w := newWorld(t)
	dir := t.TempDir()
	args := []string{"-c", dkimpy, filepath.Join(dir, "records")}
	must(t, os.WriteFile(args[2], []byte(w.records(t, "ours.example")+w.records(t, "other.example")), 0o600))
	header, _, _ := strings.Cut(letter("ann@ours.example"), "\r\n\r\n")
	want := ""
	for i, body := range bodies {
		msg := w.seal(t, delivery.Leaving{Who: &w.ann, From: "ann@ours.example"}, header+"\r\n\r\n"+body)
		once := w.seal(t, delivery.Leaving{From: "ann@ours.example", Via: "other.example", Verdict: verdict("none")}, msg)
		twice := w.seal(t, delivery.Leaving{From: "ann@ours.example", Via: "ours.example", Verdict: verdict("pass")}, once)
		for j, m := range []string{msg, once, twice} {
			file := filepath.Join(dir, fmt.Sprintf("%d-%d", i, j))
			must(t, os.WriteFile(file, []byte(m), 0o600))
			args = append(args, file)
		}
		want += "True True\nTrue True pass\nTrue True pass\n"
	}
	out, err := exec.Command(python, args...).CombinedOutput()
	if err != nil || string(out) != want {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestKeyTypes: the keys that the directory gives are such as package dkim signs with.
func TestKeyTypes(t *testing.T) {
	w := newWorld(t)
	keys, err := w.dir.SigningKeys(t.Context(), "ours.example")
	must(t, err)
	if _, is := keys[0].Signer().(*rsa.PrivateKey); !is {
		t.Errorf("%T", keys[0].Signer())
	}
	if _, is := keys[1].Signer().(ed25519.PrivateKey); !is {
		t.Errorf("%T", keys[1].Signer())
	}
}

func BenchmarkSeal(b *testing.B) {
	w := newWorld(b)
	body := strings.Repeat("A line of a letter that is as long as most are.\r\n", 40)
	sent := delivery.Leaving{Who: &w.ann, From: "ann@ours.example"}
	forwarded := delivery.Leaving{From: "ann@ours.example", Via: "other.example", Verdict: verdict("none")}
	listed := forwarded
	listed.List = true
	for _, c := range []struct {
		name string
		l    delivery.Leaving
		size int
	}{{"submission/2K", sent, 1}, {"submission/1M", sent, 512}, {"forwarded/2K", forwarded, 1}, {"list/2K", listed, 1}} {
		b.Run(c.name, func(b *testing.B) {
			var content transfer.Content = strings.NewReader(letter("ann@ours.example") + strings.Repeat(body, c.size))
			b.SetBytes(content.Size())
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if f, err := w.Seal(context.Background(), c.l, content); err != nil || len(f) == 0 {
						b.Error(f, err)
						return
					}
				}
			})
		})
	}
}

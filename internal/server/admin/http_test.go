package admin

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/service/setup"
)

// recorder is an Admin that notes what it is asked and answers with what it was given.
type recorder struct {
	asked []string
	err   error
}

func (r *recorder) note(format string, args ...any) error {
	r.asked = append(r.asked, fmt.Sprintf(format, args...))
	return r.err
}

var anAccount = Account{ID: 7, Address: "ann@example.org", Name: "Ann", Enabled: true, QuotaBytes: 9,
	Created: time.Unix(1e9, 0).UTC(), UsedBytes: 3, UsedItems: 2}

func (r *recorder) Status(context.Context) (Status, error) {
	return Status{Version: "1", Listen: []string{"imap :143"}}, r.note("status")
}
func (r *recorder) AccountSources(context.Context) ([]SourceStatus, error) {
	return []SourceStatus{{Name: "corp", Kind: "ldap", Domains: []string{"x"}, At: time.Unix(1e9, 0).UTC()}}, r.note("sources")
}
func (r *recorder) SyncSource(_ context.Context, n string) (SourceStatus, error) {
	return SourceStatus{Name: n, Error: "away"}, r.note("sync %s", n)
}
func (r *recorder) UnlinkAccount(_ context.Context, a string) error { return r.note("unlink %s", a) }
func (r *recorder) Examine(context.Context) ([]Finding, error) {
	return []Finding{{Topic: "disk", Level: setup.Warn, Text: "full", Fix: "make room"}}, r.note("examine")
}
func (r *recorder) Check(context.Context) ([]Problem, error) {
	return []Problem{{"ann@example.org", "odd"}}, r.note("check")
}
func (r *recorder) Domains(context.Context) ([]Domain, error) {
	return []Domain{{Name: "example.org", CatchAll: "ann@example.org", Delimiters: "+", Selectors: []string{"r1"}}}, r.note("domains")
}
func (r *recorder) AddDomain(_ context.Context, n string) error { return r.note("add domain %s", n) }
func (r *recorder) RemoveDomain(_ context.Context, n string) error {
	return r.note("remove domain %s", n)
}
func (r *recorder) DomainRecords(_ context.Context, q RecordsQuery) ([]DomainRecord, error) {
	return []DomainRecord{{Name: q.Domain + ".", Type: "MX", Value: "10 mail.example.org."}}, r.note("records %v", q)
}
func (r *recorder) CheckDomain(_ context.Context, q CheckQuery) (DomainReport, error) {
	return DomainReport{Domain: q.Domain, Addresses: []string{"192.0.2.1"}, Findings: []setup.Finding{{Topic: "mx", Level: setup.OK, Text: "fine"}}}, r.note("check domain %v", q)
}
func (r *recorder) SetDomain(_ context.Context, c DomainChange) error {
	return r.note("set domain %s %s %s", c.Name, *c.CatchAll, *c.Delimiters)
}

var aKey = DKIMKey{Selector: "r1", Algorithm: "rsa-sha256", State: "active", Created: time.Unix(1e9, 0).UTC(), Changed: time.Unix(2e9, 0).UTC(), Name: "r1._domainkey.x", Record: "v=DKIM1"}

func (r *recorder) Keys(_ context.Context, domain string) ([]DKIMKey, error) {
	return []DKIMKey{aKey}, r.note("keys %s", domain)
}
func (r *recorder) RotateKeys(_ context.Context, domain string) ([]DKIMKey, error) {
	return []DKIMKey{aKey, aKey}, r.note("rotate %s", domain)
}
func (r *recorder) ActivateKey(_ context.Context, k KeyChange) error {
	return r.note("activate %v", k)
}
func (r *recorder) RetireKey(_ context.Context, k KeyChange) error { return r.note("retire %v", k) }
func (r *recorder) RemoveKey(_ context.Context, k KeyChange) error { return r.note("remove key %v", k) }
func (r *recorder) SetGroup(_ context.Context, g GroupChange) error {
	return r.note("set group %s %s %v %s %v %s", g.Address, *g.Name, *g.List, *g.Description, *g.Owners, *g.Posters)
}
func (r *recorder) Accounts(context.Context) ([]Account, error) {
	return []Account{anAccount}, r.note("accounts")
}
func (r *recorder) Account(_ context.Context, a string) (Account, error) {
	return anAccount, r.note("account %s", a)
}
func (r *recorder) AddAccount(_ context.Context, n NewAccount) (Account, error) {
	return anAccount, r.note("add account %v", n)
}
func (r *recorder) RemoveAccount(_ context.Context, x Removal) error {
	return r.note("remove account %v", x)
}
func (r *recorder) RemovedAccounts(context.Context) ([]RemovedAccount, error) {
	return []RemovedAccount{{anAccount, time.Unix(2e9, 0).UTC()}}, r.note("removed accounts")
}
func (r *recorder) BringBackAccount(_ context.Context, x Restoral) (Account, error) {
	return anAccount, r.note("restore %v", x)
}
func (r *recorder) RenameAccount(_ context.Context, x Rename) (Account, error) {
	return anAccount, r.note("rename %v", x)
}
func (r *recorder) Administrators(context.Context) ([]Administrator, error) {
	return []Administrator{{"ann@example.org", "example.org"}}, r.note("administrators")
}
func (r *recorder) Appoint(_ context.Context, a Administrator) error { return r.note("appoint %v", a) }
func (r *recorder) Dismiss(_ context.Context, a Administrator) error { return r.note("dismiss %v", a) }
func (r *recorder) Tokens(context.Context) ([]APIToken, error) {
	return []APIToken{{TokenSpec{"x", true, []string{"y"}, time.Unix(3e9, 0).UTC()}, time.Unix(1e9, 0).UTC(), time.Unix(2e9, 0).UTC()}}, r.note("tokens")
}
func (r *recorder) AddToken(_ context.Context, t TokenSpec) (TokenSecret, error) {
	return TokenSecret{"s"}, r.note("add token %v", t)
}
func (r *recorder) RemoveToken(_ context.Context, n string) error {
	return r.note("remove token %s", n)
}
func (r *recorder) DomainLimits(_ context.Context, d string) (DomainLimits, error) {
	return DomainLimits{d, 1, 2, 3, 4, 5}, r.note("domain limits %s", d)
}
func (r *recorder) SetDomainLimits(_ context.Context, l DomainLimits) error {
	return r.note("set domain limits %v", l)
}
func (r *recorder) SetPassword(_ context.Context, a, p string) error {
	return r.note("password %s %s", a, p)
}
func (r *recorder) SetQuota(_ context.Context, a string, b int64) error {
	return r.note("quota %s %d", a, b)
}
func (r *recorder) SetEnabled(_ context.Context, a string, e bool) error {
	return r.note("enabled %s %v", a, e)
}
func (r *recorder) AppPasswords(_ context.Context, a string) ([]AppPassword, error) {
	return []AppPassword{anAppPassword}, r.note("app passwords %s", a)
}
func (r *recorder) AddAppPassword(_ context.Context, n NewAppPassword) (AppPassword, error) {
	return anAppPassword, r.note("add app password %v", n)
}
func (r *recorder) RemoveAppPassword(_ context.Context, n AppPasswordName) error {
	return r.note("remove app password %v", n)
}
func (r *recorder) Passkeys(_ context.Context, a string) ([]Passkey, error) {
	return []Passkey{{"phone", time.Unix(1e9, 0).UTC(), time.Unix(2e9, 0).UTC(), true, "0a", []string{"usb"}}}, r.note("passkeys %s", a)
}
func (r *recorder) RemovePasskey(_ context.Context, n PasskeyName) error {
	return r.note("remove passkey %v", n)
}
func (r *recorder) TwoStep(_ context.Context, a string) (TwoStep, error) {
	return TwoStep{true, true, true, time.Unix(1e9, 0).UTC(), 7}, r.note("two-step %s", a)
}
func (r *recorder) BeginTwoStep(_ context.Context, a string) (Enrolment, error) {
	return Enrolment{"secret", "otpauth://x?a=b&c=d"}, r.note("begin two-step %s", a)
}
func (r *recorder) ConfirmTwoStep(_ context.Context, c Code) (RecoveryCodes, error) {
	return RecoveryCodes{[]string{"a-b"}}, r.note("confirm two-step %v", c)
}
func (r *recorder) RenewRecoveryCodes(_ context.Context, a string) (RecoveryCodes, error) {
	return RecoveryCodes{[]string{"c-d"}}, r.note("recovery codes %s", a)
}
func (r *recorder) EndTwoStep(_ context.Context, a string) error { return r.note("end two-step %s", a) }
func (r *recorder) Grants(_ context.Context, a string) ([]Grant, error) {
	return []Grant{{"1-2", "Thing", []string{"mail"}, time.Unix(1e9, 0).UTC(), time.Unix(2e9, 0).UTC()}}, r.note("grants %s", a)
}
func (r *recorder) EndGrants(_ context.Context, g GrantChange) (EndedGrants, error) {
	return EndedGrants{2}, r.note("end grants %v", g)
}
func (r *recorder) Audit(_ context.Context, q AuditQuery) ([]AuditEntry, error) {
	return []AuditEntry{{"act", time.Unix(1e9, 0).UTC(), time.Unix(2e9, 0).UTC(), 7, "x", "y", "imap", "::1", "PLAIN", "password", true, "d", "e"}}, r.note("audit %v", q)
}
func (r *recorder) Sessions(_ context.Context, q SessionQuery) ([]Session, error) {
	return []Session{{"1", "a@b", "imap", "::1", "Thing", "password", "PLAIN", true, time.Unix(1e9, 0).UTC()}}, r.note("sessions %v", q)
}
func (r *recorder) EndSessions(_ context.Context, q SessionQuery) (Ended, error) {
	return Ended{3}, r.note("end sessions %v", q)
}

var anAppPassword = AppPassword{"phone", []string{"imap"}, time.Unix(1e9, 0).UTC(), time.Unix(2e9, 0).UTC(), true, time.Unix(15e8, 0).UTC(), "imap", "::1", "x"}

func (r *recorder) Reindex(_ context.Context, a string) error { return r.note("reindex %s", a) }
func (r *recorder) Aliases(context.Context) ([]Alias, error) {
	return []Alias{{"a@b", []string{"c@d"}}}, r.note("aliases")
}
func (r *recorder) AddAlias(_ context.Context, a Alias) error { return r.note("add alias %v", a) }
func (r *recorder) RemoveAlias(_ context.Context, a string) error {
	return r.note("remove alias %s", a)
}
func (r *recorder) Groups(context.Context) ([]Group, error)   { return nil, r.note("groups") }
func (r *recorder) AddGroup(_ context.Context, g Group) error { return r.note("add group %v", g) }
func (r *recorder) RemoveGroup(_ context.Context, a string) error {
	return r.note("remove group %s", a)
}
func (r *recorder) SetMembers(_ context.Context, a string, m []string) error {
	return r.note("members %s %v", a, m)
}

func (r *recorder) TLSReports(_ context.Context, q ReportQuery) ([]TLSReport, error) {
	return []TLSReport{{ReportHead: aHead, Policies: []TLSPolicy{{Domain: "x", Type: "sts", Policy: []string{"a"}, Successes: 1 << 60, Failures: 1,
		Details: []TLSFailure{{"a", 1, "b", "c", "d", "e", "f"}}}}}}, r.note("tls reports %v", q)
}
func (r *recorder) DMARCReports(_ context.Context, q ReportQuery) (DMARCReports, error) {
	return DMARCReports{[]DMARCSource{{"x", "::1", 1, "pass", "fail", "none", []string{"a (pass)"}, "b", []string{"c"}, 2}},
		[]DMARCReport{{aHead, "x", "reject", 3, 2}}, true}, r.note("dmarc reports %v", q)
}
func (r *recorder) MailPrograms(_ context.Context, address string) (Programs, error) {
	return Programs{address, []ProgramService{{"imap", "h", 993, "tls"}}, "p", "q"}, r.note("programs %s", address)
}
func (r *recorder) FailureReports(_ context.Context, q ReportQuery) (FailureReports, error) {
	return FailureReports{[]FailureSource{{"x", "::1", "dmarc", "reject", 3, 1, []string{"c"}}},
		[]FailureReport{{Organization: "c", Domain: "x", IP: "::1", Failure: "dmarc", Incidents: 3, NotAligned: []string{"spf"}, Header: "a: b"}}, true}, r.note("failure reports %v", q)
}
func (r *recorder) SendReports(context.Context) (SentReports, error) {
	return SentReports{6}, r.note("send")
}

var aHead = ReportHead{time.Unix(1e9, 0).UTC(), "B", "b@c", "1", "c", time.Unix(2e9, 0).UTC(), time.Unix(3e9, 0).UTC()}

func (r *recorder) Queue(_ context.Context, f QueueFilter) (QueueList, error) {
	return QueueList{Items: []QueueItem{anItem}, More: true}, r.note("queue %v", f)
}
func (r *recorder) QueueMessage(_ context.Context, id string) ([]QueueItem, error) {
	return []QueueItem{anItem}, r.note("queue message %s", id)
}
func (r *recorder) RetryQueue(_ context.Context, c QueueChange) (Changed, error) {
	return Changed{1}, r.note("retry %v", c)
}
func (r *recorder) HoldQueue(_ context.Context, c QueueChange) (Changed, error) {
	return Changed{2}, r.note("hold %v", c)
}
func (r *recorder) ReleaseQueue(_ context.Context, c QueueChange) (Changed, error) {
	return Changed{3}, r.note("release %v", c)
}
func (r *recorder) DropQueue(_ context.Context, c QueueChange) (Changed, error) {
	return Changed{4}, r.note("drop %v", c)
}
func (r *recorder) FlushQueue(_ context.Context, d string) (Changed, error) {
	return Changed{5}, r.note("flush %s", d)
}
func (r *recorder) Trace(_ context.Context, q TraceQuery) ([]Trace, error) {
	return []Trace{{ID: "a", Recipients: []TraceRecipient{{Recipient: "x@y", Outcome: "waiting", Queued: &anItem}},
		Events: []TraceEvent{{At: anItem.Due, Event: "tried", Recipients: []string{"x@y"}, Attempt: &anItem.Attempts[0]}}}}, r.note("trace %v", q)
}

var anItem = QueueItem{ID: "a", MessageID: "b@c", Sender: "ann@example.org", Recipient: "x@y", Destination: "y", State: "waiting",
	Active: true, Priority: -3, SizeBytes: 1 << 40, Received: time.Unix(1e9, 0).UTC(), Due: time.Unix(2e9, 5e8).UTC(), Tried: 4,
	Attempts: []Attempt{{At: time.Unix(3e9, 0).UTC(), Result: "deferred", Code: 451, Status: "4.0.0", Text: "<&\u2028", Remote: "mx", Addr: "[::1]:25", TLS: "TLS1.3", TookMS: 9}}}

// localCaller lets everybody do everything.
func localCaller(*http.Request) (Caller, error) { return Local(), nil }

// overSocket gives a Client whose questions a answers, over a unix socket.
func overSocket(t *testing.T, a Admin) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "admin.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: Handler(a, localCaller, slog.New(slog.DiscardHandler))}
	go s.Serve(l)
	c := Dial(socket)
	t.Cleanup(func() { c.Close(); s.Close() })
	return c
}

// Every method of Admin is called by reflection, on the recorder and through the client.
func TestClientAsksWhatDirectDoes(t *testing.T) {
	direct, remote := &recorder{}, &recorder{}
	client := overSocket(t, remote)
	methods := reflect.TypeFor[Admin]()
	for i := range methods.NumMethod() {
		name := methods.Method(i).Name
		want, got := callByName(direct, name), callByName(client, name)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if d := cmp.Diff(direct.asked, remote.asked); d != "" {
		t.Error(d)
	}
	if len(direct.asked) != len(operations) {
		t.Errorf("%d methods, %d operations", len(direct.asked), len(operations))
	}
}

// callByName calls a method with arguments that are made up, and returns its results.
func callByName(a Admin, name string) (out []any) {
	m := reflect.ValueOf(a).MethodByName(name)
	args := []reflect.Value{reflect.ValueOf(context.Background())}
	for i := 1; i < m.Type().NumIn(); i++ {
		v := reflect.New(m.Type().In(i)).Elem()
		madeUp(v, i)
		args = append(args, v)
	}
	for _, r := range m.Call(args) {
		out = append(out, r.Interface())
	}
	return out
}

func madeUp(v reflect.Value, n int) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Unix(int64(n)<<20, 7).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("\"odd/%d\"@exämple.org", n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(n) << 40)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		madeUp(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		madeUp(v.Index(1), n+1)
	case reflect.Struct:
		for i := range v.NumField() {
			madeUp(v.Field(i), n+i)
		}
	}
}

func TestErrorsKeepTheirKind(t *testing.T) {
	for _, k := range fault.Kinds() {
		if statuses[k] == 0 {
			t.Errorf("%v has no HTTP status", k)
			continue
		}
		c := overSocket(t, &recorder{err: &fault.Error{Kind: k, Text: "told", Err: io.ErrUnexpectedEOF}})
		err := c.AddDomain(context.Background(), "x")
		if fault.KindOf(err) != k {
			t.Errorf("%v came over as %v", k, err)
		}
		if err == nil || strings.Contains(err.Error(), "EOF") {
			t.Errorf("%v: the cause went out: %v", k, err)
		}
	}
}

func TestBadRequests(t *testing.T) {
	h := Handler(&recorder{}, localCaller, slog.New(slog.DiscardHandler))
	for _, c := range []struct {
		method, path, contentType, body string
		want                            int
	}{
		{"POST", "domain.add", "application/json", `{"name":"x"}`, 200},
		{"POST", "status", "application/json; charset=utf-8", ``, 200},
		{"GET", "status", "application/json", "", 400},
		{"POST", "status", "text/plain", "{}", 400},
		{"POST", "status", "", "{}", 400},
		{"POST", "domain.ad", "application/json", "{}", 501},
		{"POST", "domain.add", "application/json", `{"nam":"x"}`, 400},
		{"POST", "domain.add", "application/json", `{"name":"x"}{}`, 400},
		{"POST", "domain.add", "application/json", `{"name":7}`, 400},
		{"POST", "domain.add", "application/json", `[`, 400},
		{"POST", "domain.add", "application/json", `{"name":"` + strings.Repeat("x", maxBody-11) + `"}`, 200},
		{"POST", "domain.add", "application/json", `{"name":"` + strings.Repeat("x", maxBody-10) + `"}`, 413},
		{"POST", "domain.add", "application/json", strings.Repeat(" ", 20*maxBody), 413},
	} {
		r := httptest.NewRequest(c.method, Prefix+c.path, strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.contentType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s %s %.40q: %d, want %d: %s", c.method, c.path, c.body, w.Code, c.want, w.Body)
		}
	}
}

func TestClientWithoutServer(t *testing.T) {
	c := Dial(filepath.Join(t.TempDir(), "none"))
	if _, err := c.Status(context.Background()); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	if _, err := DialHTTPS("http://example.org", "t", nil); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

func TestToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "admin.token")
	token, err := EnsureToken(file, bytes.NewReader(make([]byte, 24)))
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o600 {
		t.Error(info.Mode())
	}
	again, err := EnsureToken(file, strings.NewReader(""))
	if err != nil || again != token {
		t.Error("a second start has another token", err)
	}
	b, _ := os.ReadFile(file)
	text := strings.TrimSpace(string(b))
	for header, want := range map[string]bool{
		"Bearer " + text: true, "bearer " + text: true, "Bearer " + text + "x": false,
		"": false, "Bearer": false, "Bearer ": false, "Basic " + text: false, text: false,
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Authorization", header)
		if token.Admits(r) != want {
			t.Errorf("%q: %v", header, !want)
		}
	}
	os.WriteFile(file, []byte("short\n"), 0o600)
	if _, err := EnsureToken(file, nil); !fault.Is(err, fault.Unavailable) {
		t.Error("took a short token", err)
	}
	if _, err := EnsureToken(filepath.Join(file, "x"), nil); err == nil {
		t.Error("no folder, no error")
	}
}

package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	"postroad/internal/fault"
)

// Arguments of the operations that take more, or other, than a type of admin.go.
type (
	none    struct{}
	nameArg struct {
		Name string `json:"name"`
	}
	addressArg struct {
		Address string `json:"address"`
	}
	idArg struct {
		ID string `json:"id"`
	}
	domainArg struct {
		Domain string `json:"domain"`
	}
	passwordArg struct {
		Address  string `json:"address"`
		Password string `json:"password"`
	}
	quotaArg struct {
		Address string `json:"address"`
		Bytes   int64  `json:"bytes"`
	}
	enabledArg struct {
		Address string `json:"address"`
		Enabled bool   `json:"enabled"`
	}
	membersArg struct {
		Address string   `json:"address"`
		Members []string `json:"members"`
	}
)

// operations lists them all, by name. Client's methods use the same names.
var operations = map[string]operation{
	"status": asking(func(ctx context.Context, a Admin, _ none) (Status, error) { return a.Status(ctx) }),
	"check":  asking(func(ctx context.Context, a Admin, _ none) ([]Problem, error) { return a.Check(ctx) }),

	"doctor": asking(func(ctx context.Context, a Admin, _ none) ([]Finding, error) { return a.Examine(ctx) }),

	"domain.list":   asking(func(ctx context.Context, a Admin, _ none) ([]Domain, error) { return a.Domains(ctx) }),
	"domain.add":    doing(func(ctx context.Context, a Admin, d nameArg) error { return a.AddDomain(ctx, d.Name) }),
	"domain.set":    doing(func(ctx context.Context, a Admin, c DomainChange) error { return a.SetDomain(ctx, c) }),
	"domain.remove": doing(func(ctx context.Context, a Admin, d nameArg) error { return a.RemoveDomain(ctx, d.Name) }),

	"domain.keys":          asking(func(ctx context.Context, a Admin, d domainArg) ([]DKIMKey, error) { return a.Keys(ctx, d.Domain) }),
	"domain.keys.rotate":   asking(func(ctx context.Context, a Admin, d domainArg) ([]DKIMKey, error) { return a.RotateKeys(ctx, d.Domain) }),
	"domain.keys.activate": doing(func(ctx context.Context, a Admin, k KeyChange) error { return a.ActivateKey(ctx, k) }),
	"domain.keys.retire":   doing(func(ctx context.Context, a Admin, k KeyChange) error { return a.RetireKey(ctx, k) }),
	"domain.keys.remove":   doing(func(ctx context.Context, a Admin, k KeyChange) error { return a.RemoveKey(ctx, k) }),

	"domain.records": asking(func(ctx context.Context, a Admin, q RecordsQuery) ([]DomainRecord, error) {
		return a.DomainRecords(ctx, q)
	}),
	"domain.check": asking(func(ctx context.Context, a Admin, q CheckQuery) (DomainReport, error) { return a.CheckDomain(ctx, q) }),

	"domain.limits": asking(func(ctx context.Context, a Admin, d domainArg) (DomainLimits, error) {
		return a.DomainLimits(ctx, d.Domain)
	}),
	"domain.limits.set": doing(func(ctx context.Context, a Admin, l DomainLimits) error { return a.SetDomainLimits(ctx, l) }),

	"postmaster.show": asking(func(ctx context.Context, a Admin, _ none) (Postmaster, error) { return a.Postmaster(ctx) }),
	"postmaster.set":  doing(func(ctx context.Context, a Admin, p Postmaster) error { return a.SetPostmaster(ctx, p) }),

	"account.list": asking(func(ctx context.Context, a Admin, _ none) ([]Account, error) { return a.Accounts(ctx) }),
	"account.show": asking(func(ctx context.Context, a Admin, x addressArg) (Account, error) {
		return a.Account(ctx, x.Address)
	}),
	"account.add":             asking(func(ctx context.Context, a Admin, n NewAccount) (Account, error) { return a.AddAccount(ctx, n) }),
	"account.remove":          doing(func(ctx context.Context, a Admin, r Removal) error { return a.RemoveAccount(ctx, r) }),
	"account.removed":         asking(func(ctx context.Context, a Admin, _ none) ([]RemovedAccount, error) { return a.RemovedAccounts(ctx) }),
	"account.removed.restore": asking(func(ctx context.Context, a Admin, r Restoral) (Account, error) { return a.BringBackAccount(ctx, r) }),
	"account.rename":          asking(func(ctx context.Context, a Admin, r Rename) (Account, error) { return a.RenameAccount(ctx, r) }),
	"account.password": doing(func(ctx context.Context, a Admin, x passwordArg) error {
		return a.SetPassword(ctx, x.Address, x.Password)
	}),
	"account.quota": doing(func(ctx context.Context, a Admin, x quotaArg) error {
		return a.SetQuota(ctx, x.Address, x.Bytes)
	}),
	"account.reindex": doing(func(ctx context.Context, a Admin, x addressArg) error { return a.Reindex(ctx, x.Address) }),
	"account.limits": asking(func(ctx context.Context, a Admin, x addressArg) (AccountUsage, error) {
		return a.AccountLimits(ctx, x.Address)
	}),
	"account.limits.reset":   doing(func(ctx context.Context, a Admin, x addressArg) error { return a.ResetAccountLimits(ctx, x.Address) }),
	"account.limits.authors": doing(func(ctx context.Context, a Admin, c AuthorsChange) error { return a.SetAccountAuthors(ctx, c) }),
	"account.limits.held":    asking(func(ctx context.Context, a Admin, _ none) ([]AccountUsage, error) { return a.HeldAccounts(ctx) }),
	"account.enabled": doing(func(ctx context.Context, a Admin, x enabledArg) error {
		return a.SetEnabled(ctx, x.Address, x.Enabled)
	}),

	"account.away":     asking(func(ctx context.Context, a Admin, x addressArg) (Away, error) { return a.Away(ctx, x.Address) }),
	"account.away.set": asking(func(ctx context.Context, a Admin, c AwayChange) (Away, error) { return a.SetAway(ctx, c) }),

	"account.language":     asking(func(ctx context.Context, a Admin, x addressArg) (Language, error) { return a.Language(ctx, x.Address) }),
	"account.language.set": doing(func(ctx context.Context, a Admin, l Language) error { return a.SetLanguage(ctx, l) }),

	"account.pop3":     asking(func(ctx context.Context, a Admin, x addressArg) (POP3, error) { return a.AccountPOP3(ctx, x.Address) }),
	"account.pop3.set": asking(func(ctx context.Context, a Admin, c POP3Change) (POP3, error) { return a.SetAccountPOP3(ctx, c) }),

	"cert.list": asking(func(ctx context.Context, a Admin, _ none) ([]Certificate, error) { return a.Certificates(ctx) }),
	"cert.renew": asking(func(ctx context.Context, a Admin, r CertificateRenewal) (Certificate, error) {
		return a.RenewCertificate(ctx, r)
	}),
	"cert.import": asking(func(ctx context.Context, a Admin, c CertificateImport) (Certificate, error) {
		return a.ImportCertificate(ctx, c)
	}),
	"cert.remove": doing(func(ctx context.Context, a Admin, x nameArg) error { return a.RemoveCertificate(ctx, x.Name) }),
	"cert.key": asking(func(ctx context.Context, a Admin, x nameArg) (NextKey, error) {
		return a.NextCertificateKey(ctx, x.Name)
	}),
	"account.app_passwords": asking(func(ctx context.Context, a Admin, x addressArg) ([]AppPassword, error) {
		return a.AppPasswords(ctx, x.Address)
	}),
	"account.app_passwords.add": asking(func(ctx context.Context, a Admin, n NewAppPassword) (AppPassword, error) {
		return a.AddAppPassword(ctx, n)
	}),
	"account.app_passwords.remove": doing(func(ctx context.Context, a Admin, n AppPasswordName) error { return a.RemoveAppPassword(ctx, n) }),
	"account.passkeys":             asking(func(ctx context.Context, a Admin, x addressArg) ([]Passkey, error) { return a.Passkeys(ctx, x.Address) }),
	"account.passkeys.remove":      doing(func(ctx context.Context, a Admin, n PasskeyName) error { return a.RemovePasskey(ctx, n) }),
	"account.two_step":             asking(func(ctx context.Context, a Admin, x addressArg) (TwoStep, error) { return a.TwoStep(ctx, x.Address) }),
	"account.two_step.begin": asking(func(ctx context.Context, a Admin, x addressArg) (Enrolment, error) {
		return a.BeginTwoStep(ctx, x.Address)
	}),
	"account.two_step.confirm": asking(func(ctx context.Context, a Admin, c Code) (RecoveryCodes, error) { return a.ConfirmTwoStep(ctx, c) }),
	"account.two_step.recovery": asking(func(ctx context.Context, a Admin, x addressArg) (RecoveryCodes, error) {
		return a.RenewRecoveryCodes(ctx, x.Address)
	}),
	"account.two_step.end": doing(func(ctx context.Context, a Admin, x addressArg) error { return a.EndTwoStep(ctx, x.Address) }),
	"session.list":         asking(func(ctx context.Context, a Admin, q SessionQuery) ([]Session, error) { return a.Sessions(ctx, q) }),
	"session.end":          asking(func(ctx context.Context, a Admin, q SessionQuery) (Ended, error) { return a.EndSessions(ctx, q) }),

	"account.programs": asking(func(ctx context.Context, a Admin, x addressArg) (Programs, error) {
		return a.MailPrograms(ctx, x.Address)
	}),

	"account.shares": asking(func(ctx context.Context, a Admin, x addressArg) ([]Share, error) { return a.Shares(ctx, x.Address) }),
	"account.share":  asking(func(ctx context.Context, a Admin, c ShareChange) (ShareResult, error) { return a.SetShare(ctx, c) }),

	"account.expunged": asking(func(ctx context.Context, a Admin, q ExpungedQuery) ([]ExpungedMessage, error) {
		return a.Expunged(ctx, q)
	}),
	"account.undelete": asking(func(ctx context.Context, a Admin, q ExpungedQuery) (Undeleted, error) { return a.Undelete(ctx, q) }),

	"fetch.list":   asking(func(ctx context.Context, a Admin, x addressArg) ([]Fetch, error) { return a.Fetches(ctx, x.Address) }),
	"fetch.add":    asking(func(ctx context.Context, a Admin, f NewFetch) (Fetch, error) { return a.AddFetch(ctx, f) }),
	"fetch.secret": doing(func(ctx context.Context, a Admin, s FetchSecret) error { return a.SetFetchSecret(ctx, s) }),
	"fetch.remove": doing(func(ctx context.Context, a Admin, x fetchArg) error { return a.RemoveFetch(ctx, x.ID) }),
	"fetch.ask": asking(func(ctx context.Context, a Admin, q FetchQuestion) (FetchPermission, error) {
		return a.AskFetch(ctx, q)
	}),
	"fetch.allow": asking(func(ctx context.Context, a Admin, x FetchAnswer) (FetchAllowed, error) { return a.AllowFetch(ctx, x) }),
	"fetch.run":   asking(func(ctx context.Context, a Admin, x fetchArg) (Fetched, error) { return a.RunFetch(ctx, x.ID) }),

	"account.junk":        asking(func(ctx context.Context, a Admin, x addressArg) (JunkState, error) { return a.Junk(ctx, x.Address) }),
	"account.junk.set":    asking(func(ctx context.Context, a Admin, c JunkChange) (JunkState, error) { return a.SetJunk(ctx, c) }),
	"account.junk.why":    asking(func(ctx context.Context, a Admin, q JunkQuery) (JunkReasons, error) { return a.WhyJunk(ctx, q) }),
	"account.junk.forget": doing(func(ctx context.Context, a Admin, x addressArg) error { return a.ForgetJunk(ctx, x.Address) }),
	"junk.show":           asking(func(ctx context.Context, a Admin, _ none) (JunkState, error) { return a.SharedJunk(ctx) }),
	"junk.test":           asking(func(ctx context.Context, a Admin, q JunkTest) (JunkReasons, error) { return a.TestJunk(ctx, q) }),
	"junk.train":          asking(func(ctx context.Context, a Admin, l JunkLessons) (JunkTrained, error) { return a.TrainJunk(ctx, l) }),

	"account.sieve": asking(func(ctx context.Context, a Admin, x addressArg) ([]FilterScript, error) {
		return a.Scripts(ctx, x.Address)
	}),
	"account.sieve.show":     asking(func(ctx context.Context, a Admin, n ScriptName) (FilterScript, error) { return a.Script(ctx, n) }),
	"account.sieve.put":      asking(func(ctx context.Context, a Admin, n NewScript) (ScriptCheck, error) { return a.PutScript(ctx, n) }),
	"account.sieve.activate": doing(func(ctx context.Context, a Admin, n ScriptName) error { return a.ActivateScript(ctx, n) }),
	"account.sieve.delete":   doing(func(ctx context.Context, a Admin, n ScriptName) error { return a.DeleteScript(ctx, n) }),

	"quarantine.list": asking(func(ctx context.Context, a Admin, q QuarantineQuery) (QuarantineList, error) {
		return a.Quarantined(ctx, q)
	}),
	"quarantine.show": asking(func(ctx context.Context, a Admin, n numberArg) (QuarantinedHeader, error) {
		return a.ShowQuarantined(ctx, n.Number)
	}),
	"quarantine.read": asking(func(ctx context.Context, a Admin, r QuarantineRead) (QuarantinePiece, error) {
		return a.ReadQuarantined(ctx, r)
	}),
	"quarantine.release": asking(func(ctx context.Context, a Admin, c QuarantineChange) (QuarantineChanged, error) {
		return a.ReleaseQuarantined(ctx, c)
	}),
	"quarantine.delete": asking(func(ctx context.Context, a Admin, c QuarantineChange) (QuarantineChanged, error) {
		return a.DeleteQuarantined(ctx, c)
	}),

	"account.grants":     asking(func(ctx context.Context, a Admin, x addressArg) ([]Grant, error) { return a.Grants(ctx, x.Address) }),
	"account.grants.end": asking(func(ctx context.Context, a Admin, g GrantChange) (EndedGrants, error) { return a.EndGrants(ctx, g) }),
	"audit":              asking(func(ctx context.Context, a Admin, q AuditQuery) ([]AuditEntry, error) { return a.Audit(ctx, q) }),

	"alias.list":   asking(func(ctx context.Context, a Admin, _ none) ([]Alias, error) { return a.Aliases(ctx) }),
	"alias.add":    doing(func(ctx context.Context, a Admin, x Alias) error { return a.AddAlias(ctx, x) }),
	"alias.remove": doing(func(ctx context.Context, a Admin, x addressArg) error { return a.RemoveAlias(ctx, x.Address) }),

	"group.list": asking(func(ctx context.Context, a Admin, _ none) ([]Group, error) { return a.Groups(ctx) }),
	"group.add":  doing(func(ctx context.Context, a Admin, x Group) error { return a.AddGroup(ctx, x) }),
	"group.set":  doing(func(ctx context.Context, a Admin, g GroupChange) error { return a.SetGroup(ctx, g) }),
	"group.members": doing(func(ctx context.Context, a Admin, x membersArg) error {
		return a.SetMembers(ctx, x.Address, x.Members)
	}),
	"group.remove": doing(func(ctx context.Context, a Admin, x addressArg) error { return a.RemoveGroup(ctx, x.Address) }),

	"policy.list":   asking(func(ctx context.Context, a Admin, _ none) ([]Policy, error) { return a.Policies(ctx) }),
	"policy.add":    asking(func(ctx context.Context, a Admin, p Policy) (Policy, error) { return a.AddPolicy(ctx, p) }),
	"policy.remove": doing(func(ctx context.Context, a Admin, p PolicyID) error { return a.RemovePolicy(ctx, p) }),

	"queue.list": asking(func(ctx context.Context, a Admin, f QueueFilter) (QueueList, error) { return a.Queue(ctx, f) }),
	"queue.show": asking(func(ctx context.Context, a Admin, x idArg) ([]QueueItem, error) {
		return a.QueueMessage(ctx, x.ID)
	}),
	"queue.retry":   asking(func(ctx context.Context, a Admin, c QueueChange) (Changed, error) { return a.RetryQueue(ctx, c) }),
	"queue.hold":    asking(func(ctx context.Context, a Admin, c QueueChange) (Changed, error) { return a.HoldQueue(ctx, c) }),
	"queue.release": asking(func(ctx context.Context, a Admin, c QueueChange) (Changed, error) { return a.ReleaseQueue(ctx, c) }),
	"queue.drop":    asking(func(ctx context.Context, a Admin, c QueueChange) (Changed, error) { return a.DropQueue(ctx, c) }),
	"queue.flush":   asking(func(ctx context.Context, a Admin, x domainArg) (Changed, error) { return a.FlushQueue(ctx, x.Domain) }),

	"reports.tls":   asking(func(ctx context.Context, a Admin, q ReportQuery) ([]TLSReport, error) { return a.TLSReports(ctx, q) }),
	"reports.dmarc": asking(func(ctx context.Context, a Admin, q ReportQuery) (DMARCReports, error) { return a.DMARCReports(ctx, q) }),
	"reports.failures": asking(func(ctx context.Context, a Admin, q ReportQuery) (FailureReports, error) {
		return a.FailureReports(ctx, q)
	}),
	"reports.send": asking(func(ctx context.Context, a Admin, _ none) (SentReports, error) { return a.SendReports(ctx) }),

	"source.list":    asking(func(ctx context.Context, a Admin, _ none) ([]SourceStatus, error) { return a.AccountSources(ctx) }),
	"source.sync":    asking(func(ctx context.Context, a Admin, x nameArg) (SourceStatus, error) { return a.SyncSource(ctx, x.Name) }),
	"account.unlink": doing(func(ctx context.Context, a Admin, x addressArg) error { return a.UnlinkAccount(ctx, x.Address) }),

	"admin.list":   asking(func(ctx context.Context, a Admin, _ none) ([]Administrator, error) { return a.Administrators(ctx) }),
	"admin.add":    doing(func(ctx context.Context, a Admin, x Administrator) error { return a.Appoint(ctx, x) }),
	"admin.remove": doing(func(ctx context.Context, a Admin, x Administrator) error { return a.Dismiss(ctx, x) }),

	"token.list":   asking(func(ctx context.Context, a Admin, _ none) ([]APIToken, error) { return a.Tokens(ctx) }),
	"token.add":    asking(func(ctx context.Context, a Admin, t TokenSpec) (TokenSecret, error) { return a.AddToken(ctx, t) }),
	"token.remove": doing(func(ctx context.Context, a Admin, x nameArg) error { return a.RemoveToken(ctx, x.Name) }),

	"trace": asking(func(ctx context.Context, a Admin, q TraceQuery) ([]Trace, error) { return a.Trace(ctx, q) }),
}

// decode reads one JSON value strictly. No bytes are an empty object.
func decode(b []byte, v any) error {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fault.New(fault.Invalid, "the body is not what this operation takes: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "there is more after the JSON object")
	}
	return nil
}

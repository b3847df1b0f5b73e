package selfweb

import (
	"encoding/base32"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"

	"rsc.io/qr"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
)

type twoStepBody struct {
	State    directory.TwoStep
	Required bool
	Keys     bool // passkeys are taken here
	Passkeys int
	Begun    *begun   // an authenticator is being set up
	Codes    []string // new recovery codes, shown once
	Apps     int      // app passwords that there are
}

// begun is what an authenticator needs. It stands in the page until a code of it was right.
type begun struct {
	Secret, Shown string // base32; the latter in fours
	URL           template.URL
	Code          template.URL // QR code, as a picture
}

func (v *visit) twoStepPage() { v.showTwoStep(http.StatusOK, "", twoStepBody{}) }

func (v *visit) showTwoStep(status int, problem string, b twoStepBody) {
	state, err := v.Directory.TwoStep(v.r.Context(), v.who.Account.ID)
	if err != nil {
		v.broken(err)
		return
	}
	b.State, b.Required, b.Keys = state, v.RequireTwoStep, v.Engine.TakesPasskeys()
	b.Passkeys, b.Apps = len(v.who.Passkeys), len(v.who.AppPasswords)
	v.show(status, "two-step", view{Title: "Two-step verification", Problem: problem, Body: b})
}

// beginTwoStep makes a secret for an authenticator.
func (v *visit) beginTwoStep() {
	e, err := v.Directory.ReplaceAuthenticator(v.r.Context(), v.who.Account.ID, v.issuer())
	if err != nil {
		v.broken(err)
		return
	}
	v.showTwoStep(http.StatusOK, "", twoStepBody{Begun: enrolment(e.Secret, e.URL)})
}

// issuer is what authenticators show as who the codes are for: the account's domain.
func (v *visit) issuer() string {
	address := v.who.Account.Address
	return address[strings.LastIndexByte(address, '@')+1:]
}

func enrolment(secret, url string) *begun {
	b := &begun{Secret: secret, URL: template.URL(url)}
	for i := 0; i < len(secret); i += 4 {
		b.Shown += secret[i:min(i+4, len(secret))] + " "
	}
	b.Shown = strings.TrimSpace(b.Shown)
	if code, err := qr.Encode(url, qr.M); err == nil {
		code.Scale = 5
		b.Code = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG()))
	}
	return b
}

// confirmTwoStep takes the first code of an authenticator.
func (v *visit) confirmTwoStep() {
	ctx, id := v.r.Context(), v.who.Account.ID
	codes, err := v.Directory.ConfirmTwoStep(ctx, id, v.r.PostFormValue("code"))
	if err != nil {
		problem := reasons{fault.Unauthenticated: "The code is wrong. Is the clock of your device right?", fault.Conflict: "Begin again."}.problem(err)
		v.refuse(http.StatusBadRequest, problem, err, func(status int, problem string) {
			b := twoStepBody{}
			if secret := v.r.PostFormValue("secret"); fault.Is(err, fault.Unauthenticated) && isSecret(secret) {
				b.Begun = enrolment(secret, directory.EnrolURL(v.issuer(), v.who.Account.Address, secret))
			}
			v.showTwoStep(status, problem, b)
		})
		return
	}
	if codes == nil {
		v.act("two_step.replaced", "")
		v.done(twoStepPath, "replaced")
		return
	}
	v.turnedOn(codes)
}

// isSecret reports whether a text that comes back with the form looks as it was sent.
func isSecret(s string) bool {
	b, err := base32.StdEncoding.DecodeString(s)
	return err == nil && len(b) == 20
}

// startTwoStep has the passkeys be the second step.
func (v *visit) startTwoStep() {
	codes, err := v.Directory.StartTwoStep(v.r.Context(), v.who.Account.ID)
	if err != nil {
		v.refuse(http.StatusBadRequest, reasons{fault.Conflict: "It is on already, or you have no passkey."}.problem(err), err, v.plainTwoStep)
		return
	}
	v.turnedOn(codes)
}

func (v *visit) plainTwoStep(status int, problem string) {
	v.showTwoStep(status, problem, twoStepBody{})
}

// turnedOn ends what the password alone has opened, and shows the recovery codes.
func (v *visit) turnedOn(codes []string) {
	ctx, id := v.r.Context(), v.who.Account.ID
	v.act("two_step.on", "")
	if err := v.goOn(v.Engine.RenewAfterTwoStep(ctx, v.in)); err != nil {
		v.broken(err)
		return
	}
	v.Engine.EndStale(ctx, id)
	if v.Grants != nil {
		if _, err := v.Grants.EndGrant(ctx, id, ""); err != nil {
			v.Logger.ErrorContext(ctx, "grants that the password alone has given can't be ended", "error", err)
		}
	}
	v.showTwoStep(http.StatusOK, "", twoStepBody{Codes: codes})
}

func (v *visit) renewRecovery() {
	codes, err := v.Directory.RenewRecoveryCodes(v.r.Context(), v.who.Account.ID)
	if err != nil {
		v.refuse(http.StatusBadRequest, reasons{fault.Conflict: "Two-step verification is off."}.problem(err), err, v.plainTwoStep)
		return
	}
	v.act("two_step.recovery", "")
	v.showTwoStep(http.StatusOK, "", twoStepBody{Codes: codes})
}

func (v *visit) removeAuthenticator() {
	if err := v.Directory.RemoveAuthenticator(v.r.Context(), v.who.Account.ID); err != nil {
		v.refuse(http.StatusBadRequest, reasons{fault.Conflict: "You have no passkey that could be the second step."}.problem(err), err, v.plainTwoStep)
		return
	}
	v.act("two_step.passkeys", "")
	v.done(twoStepPath, "removed-2")
}

func (v *visit) endTwoStep() {
	if v.RequireTwoStep {
		v.plainTwoStep(http.StatusForbidden, "Two-step verification is required here.")
		return
	}
	if err := v.Directory.EndTwoStep(v.r.Context(), v.who.Account.ID); err != nil {
		v.broken(err)
		return
	}
	v.act("two_step.off", "")
	v.done(twoStepPath, "two-off")
}

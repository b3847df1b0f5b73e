package selfweb

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"postroad/internal/fault"
	"postroad/internal/service/auth"
)

// minPassword is how many characters a password has at least that people choose here (NIST SP 800-63B-4 §3.1.1.2: 15 where it stands alone, 8 beside
// a second factor; most people's passwords here may be tried by anybody, but only slowly).
const minPassword = 10

type passwordBody struct {
	Elsewhere bool // it is kept by an outside directory
	Ask       bool // for the present one
	Min       int
}

func (v *visit) passwordPage() { v.askPassword(http.StatusOK, "") }

func (v *visit) askPassword(status int, problem string) {
	b := passwordBody{Elsewhere: v.who.Link != nil, Ask: v.asksPresent(), Min: minPassword}
	v.show(status, "password", view{Title: "Password", Problem: problem, Body: b})
}

// asksPresent reports whether the present password is asked for: not of who has come by a passkey, and may not know it any more.
func (v *visit) asksPresent() bool { return v.in.Key.Kind != auth.Passkey && v.who.Credential != nil }

// changePassword sets a new password. The session goes on, under a new cookie; all others that know the old one end.
func (v *visit) changePassword() {
	ctx, form := v.r.Context(), v.r.PostFormValue
	fresh := form("new")
	if problem := v.unfit(fresh, form("again")); problem != "" {
		v.askPassword(http.StatusBadRequest, problem)
		return
	}
	if v.asksPresent() {
		if _, err := v.Engine.Enter(ctx, v.peer(), auth.ByHand{Login: v.who.Account.Address, Password: form("present")}); err != nil {
			status, problem := v.problemOf(err)
			if fault.Is(err, fault.Unauthenticated) {
				problem = "The present password is wrong."
			}
			v.refuse(status, problem, err, v.askPassword)
			return
		}
	}
	err := v.Directory.SetPassword(ctx, v.who.Account.ID, fresh)
	if err == nil {
		v.act("password", "")
		err = v.goOn(v.Engine.RenewAfterPassword(ctx, v.in))
		v.Engine.EndStale(ctx, v.who.Account.ID)
	}
	if err != nil {
		problem := reasons{fault.Invalid: "The password holds characters that passwords may not have.", fault.TooLarge: "The password is too long.",
			fault.Conflict: "The account has changed meanwhile. Try again."}.problem(err)
		v.refuse(http.StatusBadRequest, problem, err, v.askPassword)
		return
	}
	v.done(passwordPath, "password")
}

// refuse says what is wrong on the page itself; without a text for people it is a failure of ours.
func (v *visit) refuse(status int, problem string, err error, ask func(status int, problem string)) {
	if problem == "" {
		v.broken(err)
		return
	}
	ask(status, problem)
}

// unfit says what speaks against a new password.
func (v *visit) unfit(password, again string) string {
	local, _, _ := strings.Cut(v.who.Account.Address, "@")
	switch {
	case v.who.Link != nil:
		return "Your password is kept elsewhere: change it there."
	case password != again:
		return "The two new passwords differ."
	case utf8.RuneCountInString(password) < minPassword:
		return "The new password is too short."
	case strings.EqualFold(password, v.who.Account.Address), len(local) > 3 && strings.Contains(strings.ToLower(password), strings.ToLower(local)) && utf8.RuneCountInString(password) < 2*minPassword:
		return "The new password is too much like your address."
	case oneCharacter(password):
		return "The new password is too easy to guess."
	}
	return ""
}

// oneCharacter reports whether a password is the same few characters over and over.
func oneCharacter(s string) bool {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen) < 4
}

package selfweb

import (
	"net/http"
	"strconv"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/auth"
)

// signInBody is the page on which people show who they are: for the first time, or, if they are signed in, once more.
type signInBody struct {
	Next, Login string
	Confirm     bool   // they are signed in
	Half        string // the second step is wanted
	Codes       bool
	Passkeys    string // what the browser is to ask for; "": nothing
}

// signInPage asks who it is.
func (v *visit) signInPage() {
	next := inside(v.r.URL.Query().Get("next"))
	if v.who != nil && v.in.Fresh(v.Now()) {
		v.redirect(next)
		return
	}
	v.askFirst(http.StatusOK, next, v.r.URL.Query().Get("login"), "")
}

// askFirst shows the first step.
func (v *visit) askFirst(status int, next, login, problem string) {
	b := signInBody{Next: next, Login: login, Confirm: v.who != nil}
	if v.who != nil {
		b.Login = v.who.Account.Address
	}
	request, err := v.Engine.PasskeyRequest()
	if err != nil {
		v.broken(err)
		return
	}
	b.Passkeys = string(request)
	v.show(status, "sign-in", view{Title: signInTitle(b.Confirm), Problem: problem, Body: b})
}

func signInTitle(confirm bool) string {
	if confirm {
		return "Confirm that it is you"
	}
	return "Sign in"
}

// askSecond shows the second step.
func (v *visit) askSecond(status int, next string, half auth.Entry, problem string) {
	b := signInBody{Next: next, Half: half.Half, Codes: half.Codes, Passkeys: string(half.Request), Confirm: v.who != nil}
	v.show(status, "sign-in", view{Title: "The second step", Problem: problem, Body: b})
}

// signIn takes the form of either step.
func (v *visit) signIn() {
	form := v.r.PostFormValue
	next := inside(form("next"))
	by := auth.ByHand{Login: form("login"), Password: form("password"), Half: form("half"), Code: form("code"), Passkey: []byte(form("passkey"))}
	if v.who != nil && by.Login == "" && by.Half == "" && len(by.Passkey) == 0 {
		by.Login = v.who.Account.Address
	}
	entry, err := v.Engine.Enter(v.r.Context(), v.peer(), by)
	switch {
	case err != nil && by.Half != "":
		v.failSecond(next, by, err)
	case err != nil:
		if status, problem := v.problemOf(err); problem == "" {
			v.broken(err)
		} else {
			v.askFirst(status, next, by.Login, problem)
		}
	case entry.Half != "":
		v.askSecond(http.StatusOK, next, entry, "")
	default:
		v.enter(next, entry)
	}
}

// failSecond asks for the second step again, unless there is no time left.
func (v *visit) failSecond(next string, by auth.ByHand, err error) {
	status, problem := v.problemOf(err)
	if problem == "" {
		v.broken(err)
		return
	}
	again, lost := v.Engine.Enter(v.r.Context(), v.peer(), auth.ByHand{Half: by.Half})
	if lost != nil || again.Half == "" {
		v.askFirst(status, next, "", "It has taken too long: sign in again.")
		return
	}
	v.askSecond(status, next, again, problem)
}

// problemOf says why somebody isn't let in: no more than the engine tells.
func (v *visit) problemOf(err error) (status int, problem string) {
	switch fault.KindOf(err) {
	case fault.Unauthenticated:
		return http.StatusForbidden, "That is wrong: the address, the password, the code or the passkey."
	case fault.Denied:
		return http.StatusForbidden, sentence(fault.TextOf(err))
	case fault.RateLimited:
		return http.StatusTooManyRequests, "Too many tries. Wait a few minutes."
	case fault.Invalid:
		return http.StatusBadRequest, "The passkey's answer can't be used here."
	}
	return 0, ""
}

// sentence writes an error's text as one.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// enter lets somebody in, under a new cookie in any case: one that was there before says nothing of who brought it.
func (v *visit) enter(next string, entry auth.Entry) {
	var err error
	if v.who != nil {
		err = v.goOn(v.Engine.RenewPages(v.r.Context(), v.in, entry))
	} else {
		var cookie string
		if cookie, _, err = v.Engine.OpenPages(v.r.Context(), v.peer(), entry, v.r.UserAgent()); err == nil {
			v.setCookie(cookie)
		}
	}
	switch {
	case fault.Is(err, fault.Denied):
		v.askFirst(http.StatusForbidden, next, "", "That is another account. Sign out first.")
	case fault.Is(err, fault.Unauthenticated):
		v.redirect(signInPath)
	case err != nil:
		v.broken(err)
	default:
		v.redirect(next)
	}
}

// signOut ends the session.
func (v *visit) signOut() {
	if err := v.Engine.ClosePages(v.r.Context(), v.in); err != nil {
		v.broken(err)
		return
	}
	v.setCookie("")
	v.w.Header().Set("Clear-Site-Data", `"cache"`)
	v.redirect(signInPath)
}

// numberOf reads a number that names something.
func numberOf(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0 // nothing has that
	}
	return n
}

package selfweb

import (
	"net/http"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
)

type passkeysBody struct {
	Keys    []directory.Passkey
	Options string // what the browser is to make
	Name    string // proposed
	Full    bool
}

func (v *visit) passkeysPage() { v.showPasskeys(http.StatusOK, "") }

func (v *visit) showPasskeys(status int, problem string) {
	options, err := v.Engine.NewPasskey(v.r.Context(), v.who.Account.ID, v.in.ID)
	if err != nil {
		v.broken(err)
		return
	}
	b := passkeysBody{Keys: v.who.Passkeys, Options: string(options), Full: len(v.who.Passkeys) >= directory.MaxPasskeys}
	b.Name = v.freeName(browserOf(v.r.UserAgent()))
	v.show(status, "passkeys", view{Title: "Passkeys", Problem: problem, Body: b})
}

// freeName proposes a name that no passkey has yet.
func (v *visit) freeName(name string) string {
	taken := map[string]bool{}
	for i := range v.who.Passkeys {
		taken[v.who.Passkeys[i].Name] = true
	}
	if name == "" || taken[name] {
		return ""
	}
	return name
}

// aboutPasskeys are what people are told.
var aboutPasskeys = reasons{
	fault.Exists:          "You have a passkey of this name, or this passkey, already.",
	fault.TooLarge:        "You have as many passkeys as there may be.",
	fault.Unauthenticated: "It has taken too long. Try again.",
	fault.Invalid:         "This name or this passkey can't be used here.",
}

func (v *visit) addPasskey() {
	name := v.r.PostFormValue("name")
	_, err := v.Engine.AddPasskey(v.r.Context(), v.who.Account.ID, v.in.ID, name, []byte(v.r.PostFormValue("passkey")))
	if err != nil {
		v.Logger.DebugContext(v.r.Context(), "a passkey can't be added", "error", err)
		v.refuse(http.StatusBadRequest, aboutPasskeys.problem(err), err, v.showPasskeys)
		return
	}
	v.act("passkey.add", "name="+name)
	v.done(passkeysPath, "passkey")
}

func (v *visit) renamePasskey() {
	name := v.r.PostFormValue("name")
	if err := v.Directory.RenamePasskey(v.r.Context(), v.who.Account.ID, numberOf(v.r.PostFormValue("id")), name); err != nil {
		v.refuse(http.StatusBadRequest, aboutPasskeys.problem(err), err, v.showPasskeys)
		return
	}
	v.act("passkey.rename", "name="+name)
	v.done(passkeysPath, "renamed")
}

func (v *visit) removePasskey() {
	k, err := v.Directory.RemovePasskey(v.r.Context(), v.who.Account.ID, numberOf(v.r.PostFormValue("id")))
	if err != nil {
		reason := reasons{fault.Conflict: "It is your only second step. Set up an authenticator first, or turn two-step verification off."}
		v.refuse(http.StatusBadRequest, reason.problem(err), err, v.showPasskeys)
		return
	}
	v.act("passkey.remove", "name="+k.Name)
	v.done(passkeysPath, "passkey-off")
}

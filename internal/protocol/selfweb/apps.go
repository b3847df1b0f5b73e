package selfweb

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/service/auth"
)

type appsBody struct {
	Apps     []app
	TwoStep  bool
	Name     string
	Offered  []offer
	Made     string // the new password, shown once
	MadeFor  string
	opens    []string // protocols; empty: all
	Services []Service
	Profile  string
	Login    string
}

// app is an app password, with its last use.
type app struct {
	directory.AppPassword
	Use     auth.LastUse
	Used    bool
	Expired bool
}

// offer is a protocol that an app password may open.
type offer struct{ Name, Text string }

func offers() []offer {
	return []offer{{"imap", "read mail (IMAP)"}, {"pop3", "fetch mail (POP3)"}, {"smtp", "send mail (SMTP)"}, {"managesieve", "change filters (ManageSieve)"}}
}

func (v *visit) appsPage() { v.showApps(http.StatusOK, "", appsBody{}) }

func (v *visit) showApps(status int, problem string, b appsBody) {
	uses, err := v.Engine.LastUses(v.r.Context(), v.who.Account.ID)
	if err != nil {
		v.broken(err)
		return
	}
	for _, a := range v.who.AppPasswords {
		use, used := uses[a.ID]
		b.Apps = append(b.Apps, app{a, use, used, !a.Expires.IsZero() && !v.Now().Before(a.Expires)})
	}
	b.TwoStep, b.Offered, b.Services = v.who.TwoStep || v.RequireTwoStep, offers(), preferred(v.Services, b.opens)
	b.Login = v.who.Account.Address
	b.Profile = withAddress(v.ProfileURL, b.Login)
	v.show(status, "app-passwords", view{Title: "App passwords", Problem: problem, Body: b})
}

// preferred are the best service of each protocol that an app password opens.
func preferred(all []Service, protocols []string) (best []Service) {
	seen := map[string]bool{}
	for _, s := range all {
		if !seen[s.What] && (len(protocols) == 0 || slices.Contains(protocols, s.What)) {
			seen[s.What] = true
			best = append(best, s)
		}
	}
	return best
}

// lives are how long an app password may be good for, in days; 0: for ever.
var lives = []int{0, 30, 90, 365}

// addApp makes an app password, and shows it this once.
func (v *visit) addApp() {
	n := directory.NewAppPassword{Name: v.r.PostFormValue("name"), Protocols: v.r.PostForm["for"]}
	refuse := func(status int, problem string) { v.showApps(status, problem, appsBody{Name: n.Name}) }
	if len(n.Protocols) == 0 {
		refuse(http.StatusBadRequest, "Say what the app password is for.")
		return
	}
	if len(n.Protocols) == len(offers()) { // all, also those to come
		n.Protocols = nil
	}
	days, err := strconv.Atoi(v.r.PostFormValue("days"))
	if err != nil || !slices.Contains(lives, days) {
		refuse(http.StatusBadRequest, "Say how long the app password is good for.")
		return
	}
	if days > 0 {
		n.Expires = v.Now().AddDate(0, 0, days)
	}
	made, text, err := v.Directory.AddAppPassword(v.r.Context(), v.who.Account.ID, n)
	if err != nil {
		problem := reasons{fault.Exists: "You have an app password of this name already.", fault.TooLarge: "You have as many app passwords as there may be.",
			fault.Invalid: "This name can't be used.", fault.Conflict: "The account has changed meanwhile. Try again."}.problem(err)
		v.refuse(http.StatusBadRequest, problem, err, refuse)
		return
	}
	v.act("app_password.add", "name="+n.Name)
	v.who, err = v.Directory.ProfileByID(v.r.Context(), v.who.Account.ID)
	if err != nil {
		v.broken(err)
		return
	}
	v.showApps(http.StatusOK, "", appsBody{Made: text, MadeFor: made.Name, opens: n.Protocols})
}

// removeApp takes an app password away, and ends what it has opened.
func (v *visit) removeApp() {
	ctx, id := v.r.Context(), v.who.Account.ID
	gone, err := v.Directory.RemoveAppPassword(ctx, id, v.r.PostFormValue("name"))
	if err != nil {
		v.refuse(http.StatusBadRequest, reasons{}.problem(err), err, func(status int, problem string) { v.showApps(status, problem, appsBody{}) })
		return
	}
	v.Engine.EndStale(ctx, id)
	if err := v.Engine.ForgetUse(ctx, id, gone.ID); err != nil {
		v.Logger.ErrorContext(ctx, "when an app password was used can't be forgotten", "error", err)
	}
	v.act("app_password.remove", "name="+gone.Name)
	v.done(appsPath, "app-off")
}

// For says which protocols an app password opens.
func (a app) For() string {
	if len(a.Protocols) == 0 {
		return ""
	}
	var names []string
	for _, p := range a.Protocols {
		names = append(names, protocolName(p))
	}
	return strings.Join(names, ", ")
}

package selfweb

import (
	"net/http"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/auth"
)

type sessionsBody struct {
	Pages       []pagesRow
	Connections []auth.Session
	More        int // connections that aren't shown
}

// pagesRow is a browser.
type pagesRow struct {
	auth.Pages
	Browser string
	Here    bool // it is this one
}

// maxShown bounds what a page lists of one kind.
const maxShown = 200

// connections are those of mail programs in which the visitor is signed in.
func (v *visit) connections() (own []auth.Session) {
	for _, s := range v.Engine.Sessions() {
		if s.Account == v.who.Account.ID {
			own = append(own, s)
		}
	}
	return own
}

func (v *visit) sessionsPage() { v.showSessions(http.StatusOK, "") }

func (v *visit) showSessions(status int, problem string) {
	all, err := v.Engine.AllPages(v.r.Context(), v.who.Account.ID)
	if err != nil {
		v.broken(err)
		return
	}
	var b sessionsBody
	for _, s := range all {
		b.Pages = append(b.Pages, pagesRow{s, browserOf(s.Program), s.ID == v.in.ID})
	}
	b.Connections = v.connections()
	b.More = max(0, len(b.Connections)-maxShown)
	b.Connections = b.Connections[:len(b.Connections)-b.More]
	v.show(status, "sessions", view{Title: "Sessions", Problem: problem, Body: b})
}

// endSession ends one, if it is the visitor's.
func (v *visit) endSession() {
	id := v.r.PostFormValue("id")
	n, err := 0, error(nil)
	if strings.HasPrefix(id, auth.PagesPrefix) {
		n, err = v.Engine.EndPages(v.r.Context(), v.who.Account.ID, id, v.in)
	} else {
		for _, s := range v.connections() {
			if s.ID == id && v.Engine.EndSession(id) {
				n++
			}
		}
	}
	if err == nil && n == 0 {
		err = fault.New(fault.NotFound, "no such session")
	}
	if err != nil {
		v.refuse(http.StatusNotFound, reasons{}.problem(err), err, v.showSessions)
		return
	}
	v.act("session.end", "id="+id)
	v.done(sessionsPath, "ended")
}

// endSessions ends all but this one.
func (v *visit) endSessions() {
	if _, err := v.Engine.EndPages(v.r.Context(), v.who.Account.ID, "", v.in); err != nil {
		v.broken(err)
		return
	}
	v.Engine.EndSessions(v.who.Account.ID)
	v.act("session.end_all", "")
	v.done(sessionsPath, "ended-all")
}

// browserOf says which browser a User-Agent is, for people; "": it can't be told. It is what the browser says, and may be made up.
func browserOf(agent string) string {
	browser := firstIn(agent, [][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}})
	system := firstIn(agent, [][2]string{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}})
	if browser == "" || system == "" {
		return browser + system
	}
	return browser + ", " + system
}

func firstIn(text string, names [][2]string) string {
	for _, n := range names {
		if strings.Contains(text, n[0]) {
			return n[1]
		}
	}
	return ""
}

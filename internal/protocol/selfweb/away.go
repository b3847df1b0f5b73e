package selfweb

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// awayBody is the form about being out of office.
type awayBody struct {
	State, Start, End, Zone string
	Audience                string
	Days                    string
	Subject, Text, Outside  string
	Active                  bool
	HTML                    bool // a program has set texts with formatting, which the form doesn't show
}

// The names of the choices, by their numbers in the model.
var (
	awayStates    = []string{"off", "on", "scheduled"}
	awayAudiences = []string{"none", "known", "all"}
)

// formTime is how browsers write a moment: HTML, local date and time strings.
const formTime = "2006-01-02T15:04"

// awayPage shows what senders hear while the visitor is away.
func (v *visit) awayPage() {
	var b awayBody
	err := v.withMailbox(func(s *mailbox.Session) error {
		a, t, err := s.AwayTexts(v.r.Context())
		b = v.awayForm(&a, &t)
		b.Active = s.IsAway()
		return err
	})
	if err != nil {
		v.broken(err)
		return
	}
	v.showAway(http.StatusOK, "", b)
}

func (v *visit) showAway(status int, problem string, b awayBody) {
	v.show(status, "away", view{Title: "Out of office", Problem: problem, Body: b})
}

// awayForm fills the form in. Who has never set anything finds what most people want.
func (v *visit) awayForm(a *mailbox.Away, t *mailbox.AwayTexts) awayBody {
	b := awayBody{
		State: awayStates[a.State], Zone: cmp.Or(a.Zone, v.TimeZone, "UTC"), Audience: awayAudiences[a.Audience], Days: strconv.Itoa(a.Days),
		Subject: t.Subject, Text: t.Inside.Plain, Outside: t.Outside.Plain, HTML: t.Inside.HTML+t.Outside.HTML != "",
	}
	if *t == (mailbox.AwayTexts{}) && a.State == mailbox.AwayOff {
		b.Audience = "all"
	}
	zone, err := time.LoadLocation(b.Zone)
	if err != nil {
		zone, b.Zone = time.UTC, "UTC"
	}
	write := func(at time.Time) string {
		if at.IsZero() {
			return ""
		}
		return at.In(zone).Format(formTime)
	}
	b.Start, b.End = write(a.Start), write(a.End)
	return b
}

// setAway takes the form. What is wrong is said above it, with all that was entered.
func (v *visit) setAway() {
	form := v.r.PostFormValue
	b := awayBody{
		State: form("state"), Start: form("start"), End: form("end"), Zone: strings.TrimSpace(form("zone")), Audience: form("audience"), Days: form("days"),
		Subject: strings.TrimSpace(form("subject")), Text: form("text"), Outside: form("outside"),
	}
	err := v.withMailbox(func(s *mailbox.Session) error {
		err := s.UpdateAway(v.r.Context(), b.apply)
		b.Active = s.IsAway()
		return err
	})
	if err != nil {
		problem := reasons{fault.Invalid: "This can't be: look at the dates and the time zone.", fault.TooLarge: "The text is too long."}.problem(err)
		if text := fault.TextOf(err); fault.Is(err, fault.Invalid) && text == saySomething {
			problem = saySomething
		}
		v.refuse(http.StatusBadRequest, problem, err, func(status int, problem string) { v.showAway(status, problem, b) })
		return
	}
	v.act("away", "state="+b.State)
	v.done(awayPath, "away-"+b.State)
}

const saySomething = "Write what senders are to read."

// apply changes the setting to what was entered. Texts that have changed lose the formatting that they had from elsewhere.
func (b *awayBody) apply(a *mailbox.Away, t *mailbox.AwayTexts) error {
	state, audience := indexOf(awayStates, b.State), indexOf(awayAudiences, b.Audience)
	days, err := strconv.Atoi(b.Days)
	zone, wrong := time.LoadLocation(b.Zone)
	if state < 0 || audience < 0 || err != nil || wrong != nil || b.Zone == "Local" {
		return fault.New(fault.Invalid, "the form can't be read")
	}
	a.State, a.Audience, a.Days, a.Zone = mailbox.AwayState(state), mailbox.AwayAudience(audience), days, b.Zone
	if a.Start, err = readTime(b.Start, zone); err == nil {
		a.End, err = readTime(b.End, zone)
	}
	if err != nil {
		return err
	}
	t.Subject = b.Subject
	for _, one := range []struct {
		to   *mailbox.AwayText
		text string
	}{{&t.Inside, b.Text}, {&t.Outside, b.Outside}} {
		if text := strings.ReplaceAll(one.text, "\r\n", "\n"); strings.ReplaceAll(one.to.Plain, "\r\n", "\n") != text {
			*one.to = mailbox.AwayText{Plain: text}
		}
	}
	if a.State != mailbox.AwayOff && t.Inside.Empty() && t.Outside.Empty() {
		return fault.New(fault.Invalid, "%s", saySomething)
	}
	return nil
}

func indexOf(list []string, s string) int {
	for i, l := range list {
		if l == s {
			return i
		}
	}
	return -1
}

// readTime reads what a browser sends; the zero time if nothing was entered.
func readTime(s string, zone *time.Location) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	at, err := time.ParseInLocation(formTime, s, zone)
	if err != nil {
		at, err = time.ParseInLocation(formTime+":05", s, zone)
	}
	if err != nil {
		return at, fault.New(fault.Invalid, "that is no time")
	}
	return at, nil
}

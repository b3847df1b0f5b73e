package selfweb

// section is a page that people find in the menu.
type section struct {
	path, text, icon string
	show             func(*visit)
	when             when
	acts             []act
	has              func(*handler) bool // nil: always
}

// isHere reports whether this server has the section.
func (s *section) isHere(h *handler) bool { return s.has == nil || s.has(h) }

// act is a form of a section.
type act struct {
	path string // below the section's
	do   func(*visit)
}

// Paths of the sections.
const (
	signInPath   = Path + "/sign-in"
	signOutPath  = Path + "/sign-out"
	passwordPath = Path + "/password"
	twoStepPath  = Path + "/two-step"
	passkeysPath = Path + "/passkeys"
	appsPath     = Path + "/app-passwords"
	sessionsPath = Path + "/sessions"
	grantsPath   = Path + "/programs"
	activityPath = Path + "/activity"
	setupPath    = Path + "/set-up"
	deletedPath  = Path + "/deleted"
	awayPath     = Path + "/away"
	fetchedPath  = Path + "/fetched"
)

// sections are the menu.
func sections() []section {
	return []section{
		{path: Path, text: "Overview", icon: "home", show: (*visit).overview},
		{path: passwordPath, text: "Password", icon: "key", show: (*visit).passwordPage, when: lately, acts: []act{{"", (*visit).changePassword}}},
		{path: twoStepPath, text: "Two-step verification", icon: "shield", show: (*visit).twoStepPage, when: lately, acts: []act{
			{"/begin", (*visit).beginTwoStep}, {"/confirm", (*visit).confirmTwoStep}, {"/by-passkeys", (*visit).startTwoStep},
			{"/recovery", (*visit).renewRecovery}, {"/remove", (*visit).removeAuthenticator}, {"/off", (*visit).endTwoStep}}},
		{path: passkeysPath, text: "Passkeys", icon: "passkey", show: (*visit).passkeysPage, when: lately, acts: []act{
			{"", (*visit).addPasskey}, {"/rename", (*visit).renamePasskey}, {"/remove", (*visit).removePasskey}},
			has: func(h *handler) bool { return h.Engine.TakesPasskeys() }},
		{path: appsPath, text: "App passwords", icon: "app", show: (*visit).appsPage, when: lately, acts: []act{{"", (*visit).addApp}, {"/remove", (*visit).removeApp}}},
		{path: sessionsPath, text: "Sessions", icon: "device", show: (*visit).sessionsPage, acts: []act{{"/end", (*visit).endSession}, {"/end-all", (*visit).endSessions}}},
		{path: grantsPath, text: "Connected programs", icon: "link", show: (*visit).grantsPage, acts: []act{{"/end", (*visit).endGrant}},
			has: func(h *handler) bool { return h.Grants != nil }},
		{path: activityPath, text: "Recent activity", icon: "clock", show: (*visit).activityPage, has: func(h *handler) bool { return h.Audit != nil }},
		{path: awayPath, text: "Out of office", icon: "away", show: (*visit).awayPage, acts: []act{{"", (*visit).setAway}},
			has: func(h *handler) bool { return h.Mailboxes != nil }},
		{path: fetchedPath, text: "Mail from elsewhere", icon: "mail", show: (*visit).fetchedPage, acts: []act{{"/end", (*visit).endFetched}},
			has: func(h *handler) bool { return h.Fetched != nil }},
		{path: setupPath, text: "Set up a mail program", icon: "mail", show: (*visit).setupPage, has: func(h *handler) bool { return len(h.Services) > 0 }},
		{path: deletedPath, text: "Deleted messages", icon: "trash", show: (*visit).deletedPage, acts: []act{{"", (*visit).undelete}},
			has: func(h *handler) bool { return h.Mailboxes != nil }},
	}
}

// nav is the menu on a page.
func (v *visit) nav() (all []link) {
	here := v.section()
	if v.r.URL.Path == Path {
		here = Path
	}
	for _, s := range sections() {
		if s.isHere(v.handler) {
			all = append(all, link{s.path, v.t.Say(s.text), s.icon, s.path == here})
		}
	}
	return all
}

// doneTexts are what people read after something was done.
var doneTexts = map[string]string{
	"password":       "Your password was changed. All other sessions that it had opened have ended.",
	"two-off":        "Two-step verification is off.",
	"replaced":       "The new authenticator is in use.",
	"removed-2":      "The authenticator was removed. Your passkeys are the second step now.",
	"passkey":        "The passkey was added. You can sign in with it from now on.",
	"renamed":        "The passkey has its new name.",
	"passkey-off":    "The passkey was removed.",
	"app-off":        "The app password was removed. What was signed in with it is signed out.",
	"ended":          "The session has ended.",
	"ended-all":      "All other sessions have ended.",
	"grant-off":      "The program has no access any more.",
	"fetch-off":      "Mail of that account is fetched no more. What has come stays.",
	"restored":       "The messages are back in their folders.",
	"away-off":       "Senders aren't answered.",
	"away-on":        "Saved: senders are answered from now on.",
	"away-scheduled": "Saved: senders are answered between these times.",
}

// activityTexts are what the page of recent activity calls entries of the log: by what they say, or else by their kind.
var activityTexts = map[string]string{
	"signed in":                    "signed in",
	"failed":                       "wrong password, code or passkey",
	"limited":                      "too many wrong tries",
	"disabled":                     "the account is disabled",
	"needs app":                    "the main password, where an app password is needed",
	"not for this protocol":        "an app password that isn't for this protocol",
	"expired":                      "an app password that has expired",
	"another person":               "tried to act as somebody else",
	"guessed at":                   "somebody guesses your password, from many addresses",
	"copied passkey":               "a passkey that may have been copied",
	"own.password":                 "you changed the password",
	"own.two_step.on":              "you turned two-step verification on",
	"own.two_step.off":             "you turned two-step verification off",
	"own.two_step.replaced":        "you changed the authenticator",
	"own.two_step.passkeys":        "you removed the authenticator",
	"own.two_step.recovery":        "you made new recovery codes",
	"own.passkey.add":              "you added a passkey",
	"own.passkey.rename":           "you renamed a passkey",
	"own.passkey.remove":           "you removed a passkey",
	"own.app_password.add":         "you made an app password",
	"own.app_password.remove":      "you removed an app password",
	"own.session.end":              "you ended a session",
	"own.session.end_all":          "you ended all other sessions",
	"own.undelete":                 "you restored messages",
	"own.grant.end":                "you took a program's access back",
	"own.fetch.end":                "you stopped fetching mail from another account",
	"own.away":                     "you changed the out of office answer",
	"act":                          "an administrator changed your account",
	"account.password":             "an administrator changed the password",
	"sign-in":                      "signed in",
	"own.language":                 "you chose a language",
	"account.two_step.begin":       "an administrator began to set up two-step verification",
	"account.two_step.confirm":     "an administrator turned two-step verification on",
	"account.two_step.recovery":    "an administrator made new recovery codes",
	"account.two_step.end":         "an administrator turned two-step verification off",
	"account.app_passwords.add":    "an administrator made an app password",
	"account.app_passwords.remove": "an administrator removed an app password",
	"account.passkeys.remove":      "an administrator removed a passkey",
	"account.grants.end":           "an administrator took a program's access back",
	"session.end":                  "an administrator ended sessions",
	"account.enabled":              "an administrator disabled or enabled the account",
	"account.quota":                "an administrator changed how much room there is",
	"account.rename":               "an administrator changed the address",
	"account.away.set":             "an administrator changed the out of office answer",
	"account.language.set":         "an administrator chose a language",
	"account.share":                "an administrator shared a folder, or no longer",
	"account.undelete":             "an administrator restored messages",
	"account.limits.authors":       "an administrator changed whose name may stand in From",
}

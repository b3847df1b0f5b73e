package imap

import (
	"context"
)

// states are sets of the states of RFC 9051 §3.
type states uint8

const (
	notAuthenticated states = 1 << iota
	authenticated
	selectedState

	anyState = notAuthenticated | authenticated | selectedState
	loggedIn = authenticated | selectedState
)

// state is the session's state.
func (s *session) state() states {
	switch {
	case s.mail == nil:
		return notAuthenticated
	case s.sel == nil:
		return authenticated
	}
	return selectedState
}

// command is a command as the table of commands has it.
type command struct {
	states states
	// byNumber: its message numbers would lose their meaning if EXPUNGE were told before its end (RFC 9051 §7.5.1).
	byNumber bool
	// numbers: without UID it takes or gives message numbers, and so isn't possible with UIDONLY (RFC 9586 §3.2).
	numbers bool
	run     func(*session, context.Context) (reply, error)
}

// errUIDRequired answers those who have enabled UIDONLY and use message numbers (RFC 9586 §3).
var errUIDRequired = &refusal{"BAD", "UIDREQUIRED", "message numbers are not used any more"}

// whyNot completes "not possible ..." for a command that is not for the state now.
func (c *command) whyNot(now states) string {
	switch {
	case now == notAuthenticated:
		return "before login"
	case c.states == notAuthenticated:
		return "after login"
	}
	return "without a selected mailbox"
}

// mayExpunge reports whether EXPUNGE may be told before the command's completion.
func (c *command) mayExpunge(byUID bool) bool { return byUID || !c.byNumber }

// commandTable is what can be said, and when.
func commandTable() map[string]*command {
	return map[string]*command{
		"CAPABILITY": {states: anyState, run: (*session).capability},
		"NOOP":       {states: anyState, run: (*session).noop},
		"LOGOUT":     {states: anyState, run: (*session).logout},
		"ID":         {states: anyState, run: (*session).id},
		"LANGUAGE":   {states: anyState, run: (*session).languageCommand},

		"STARTTLS":     {states: notAuthenticated, run: (*session).startTLS},
		"LOGIN":        {states: notAuthenticated, run: (*session).login},
		"AUTHENTICATE": {states: notAuthenticated, run: (*session).authenticate},

		"ENABLE":         {states: loggedIn, run: (*session).enable},
		"COMPRESS":       {states: loggedIn, run: (*session).compress},
		"UNAUTHENTICATE": {states: loggedIn, run: (*session).unauthenticate},
		"COMPARATOR":     {states: loggedIn, run: (*session).comparator},
		"ESEARCH":        {states: loggedIn, byNumber: true, run: (*session).esearch},
		"SELECT":         {states: loggedIn, run: (*session).selectCommand},
		"EXAMINE":        {states: loggedIn, run: (*session).examine},
		"CREATE":         {states: loggedIn, run: (*session).create},
		"DELETE":         {states: loggedIn, run: (*session).delete},
		"RENAME":         {states: loggedIn, run: (*session).rename},
		"SUBSCRIBE":      {states: loggedIn, run: (*session).subscribe},
		"UNSUBSCRIBE":    {states: loggedIn, run: (*session).unsubscribe},
		"LIST":           {states: loggedIn, run: (*session).list},
		"LSUB":           {states: loggedIn, run: (*session).lsub},
		"NAMESPACE":      {states: loggedIn, run: (*session).namespace},
		"STATUS":         {states: loggedIn, run: (*session).status},
		"APPEND":         {states: loggedIn, run: (*session).append},
		"IDLE":           {states: loggedIn, run: (*session).idle},
		"GETQUOTA":       {states: loggedIn, run: (*session).getQuota},
		"SETQUOTA":       {states: loggedIn, run: (*session).setQuota},
		"SETACL":         {states: loggedIn, run: needsPrincipals((*session).setACL)},
		"DELETEACL":      {states: loggedIn, run: needsPrincipals((*session).deleteACL)},
		"GETACL":         {states: loggedIn, run: needsPrincipals((*session).getACL)},
		"LISTRIGHTS":     {states: loggedIn, run: needsPrincipals((*session).listRights)},
		"MYRIGHTS":       {states: loggedIn, run: needsPrincipals((*session).myRights)},
		"NOTIFY":         {states: loggedIn, run: (*session).notifyCommand},
		"GETMETADATA":    {states: loggedIn, run: (*session).getMetadata},
		"SETMETADATA":    {states: loggedIn, run: (*session).setMetadata},
		"GENURLAUTH":     {states: loggedIn, run: (*session).genURLAuth},
		"RESETKEY":       {states: loggedIn, run: (*session).resetKey},
		"URLFETCH":       {states: loggedIn, run: (*session).urlFetch},
		"GETQUOTAROOT":   {states: loggedIn, run: (*session).getQuotaRoot},

		"CHECK":        {states: selectedState, run: (*session).noop},
		"CLOSE":        {states: selectedState, run: (*session).closeMailbox},
		"UNSELECT":     {states: selectedState, run: (*session).unselect},
		"EXPUNGE":      {states: selectedState, run: (*session).expunge},
		"SEARCH":       {states: selectedState, byNumber: true, numbers: true, run: (*session).search},
		"SORT":         {states: selectedState, byNumber: true, numbers: true, run: (*session).sortCommand},
		"CANCELUPDATE": {states: selectedState, run: (*session).cancelUpdate},
		"UIDBATCHES":   {states: selectedState, run: (*session).uidBatches},
		"THREAD":       {states: selectedState, byNumber: true, numbers: true, run: (*session).threadCommand},
		"FETCH":        {states: selectedState, byNumber: true, numbers: true, run: (*session).fetch},
		"STORE":        {states: selectedState, byNumber: true, numbers: true, run: (*session).store},
		"COPY":         {states: selectedState, numbers: true, run: (*session).copy},
		"REPLACE":      {states: selectedState, numbers: true, run: (*session).replace},
		"MOVE":         {states: selectedState, numbers: true, run: (*session).move},
	}
}

// uidTable is what can be said after UID (RFC 9051 §6.4.9).
func uidTable() map[string]*command {
	all := commandTable()
	uid := map[string]*command{}
	for _, name := range []string{"SEARCH", "FETCH", "STORE", "COPY", "MOVE", "EXPUNGE", "REPLACE", "SORT", "THREAD", "ESEARCH"} {
		uid[name] = all[name]
	}
	return uid
}

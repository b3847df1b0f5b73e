package move

import (
	"slices"
	"strings"

	"postroad/internal/model/mailbox"
)

// Google Takeout writes all mail of an account into one mbox, with each message's labels in X-Gmail-Labels: names
// of the system's own in the account's language, and people's. A message with several goes to one folder; people's other labels
// become keywords.

// A label of the system, in languages that we know; others look like people's own.
type gmailLabel int

const (
	own gmailLabel = iota
	gmailInbox
	gmailSent
	gmailDraft
	gmailTrash
	gmailSpam
	gmailStarred
	gmailUnread
	gmailNothing // says nothing that we keep
)

// gmailLabels are folded. English, German, French, Spanish, Italian, Dutch.
var gmailLabels = map[string]gmailLabel{
	"inbox": gmailInbox, "posteingang": gmailInbox, "boîte de réception": gmailInbox, "recibidos": gmailInbox, "posta in arrivo": gmailInbox, "postvak in": gmailInbox,
	"sent": gmailSent, "gesendet": gmailSent, "messages envoyés": gmailSent, "enviados": gmailSent, "posta inviata": gmailSent, "verzonden": gmailSent,
	"draft": gmailDraft, "drafts": gmailDraft, "entwurf": gmailDraft, "entwürfe": gmailDraft, "brouillons": gmailDraft, "borradores": gmailDraft, "bozze": gmailDraft, "concepten": gmailDraft,
	"trash": gmailTrash, "papierkorb": gmailTrash, "corbeille": gmailTrash, "papelera": gmailTrash, "cestino": gmailTrash, "prullenbak": gmailTrash,
	"spam":    gmailSpam,
	"starred": gmailStarred, "markiert": gmailStarred, "suivis": gmailStarred, "destacados": gmailStarred, "speciali": gmailStarred, "met ster": gmailStarred,
	"unread": gmailUnread, "ungelesen": gmailUnread, "non lus": gmailUnread, "no leídos": gmailUnread, "da leggere": gmailUnread, "ongelezen": gmailUnread,
	"opened": gmailNothing, "geöffnet": gmailNothing, "ouvert": gmailNothing, "abiertos": gmailNothing, "aperti": gmailNothing, "geopend": gmailNothing,
	"important": gmailNothing, "wichtig": gmailNothing, "importants": gmailNothing, "importantes": gmailNothing, "importanti": gmailNothing, "belangrijk": gmailNothing,
	"archived": gmailNothing, "archiviert": gmailNothing, "messages archivés": gmailNothing, "archivados": gmailNothing, "archiviati": gmailNothing, "gearchiveerd": gmailNothing,
	"chat": gmailNothing,
}

func labelOf(name string) gmailLabel {
	name = strings.ToLower(name)
	for _, category := range []string{"category ", "kategorie ", "catégorie", "categoría", "categoria", "categorie "} {
		if strings.HasPrefix(name, category) {
			return gmailNothing
		}
	}
	return gmailLabels[name]
}

// gmail takes the labels of a message.
func (m *marks) gmail(value string) {
	m.flags |= mailbox.Seen
	for label := range strings.SplitSeq(value, ",") {
		if label = strings.Trim(strings.TrimSpace(label), `"`); label == "" {
			continue
		}
		switch labelOf(label) {
		case gmailUnread:
			m.flags &^= mailbox.Seen
		case gmailStarred:
			m.flags |= mailbox.Flagged
		case gmailDraft:
			m.flags |= mailbox.Draft
		}
		m.labels = append(m.labels, label)
	}
}

// gmailFolder tells the folder of a message by its labels, and which become keywords: what lies in
// the trash, in spam, among the drafts or in the inbox does so, else the first label of people's own decides.
func gmailFolder(labels []string) (path, keywords []string) {
	var people []string
	has := map[gmailLabel]bool{}
	for _, l := range labels {
		kind := labelOf(l)
		if has[kind] = true; kind == own {
			people = append(people, l)
		}
	}
	switch {
	case has[gmailTrash]:
		path = []string{"Trash"}
	case has[gmailSpam]:
		path = []string{"Junk"}
	case has[gmailDraft]:
		path = []string{"Drafts"}
	case has[gmailInbox]:
		path = []string{"INBOX"}
	case len(people) > 0:
		path = slices.DeleteFunc(strings.Split(people[0], "/"), func(s string) bool { return s == "" })
		people = people[1:]
	case has[gmailSent]:
		path = []string{"Sent"}
	}
	if len(path) == 0 {
		path = []string{"Archive"}
	}
	for _, l := range people {
		keywords = append(keywords, labelKeyword(l))
	}
	return path, keywords
}

// labelKeyword writes a label as a keyword, which has no spaces.
func labelKeyword(label string) string { return strings.ReplaceAll(label, " ", "_") }

// isTakeout reports whether an mbox begins with a message that has Google's labels.
func isTakeout(name string) bool {
	header, err := headerOf(name)
	found := false
	if err == nil {
		fieldsOf(header, func(field, _ string, _ []byte) { found = found || field == "x-gmail-labels" })
	}
	return found
}

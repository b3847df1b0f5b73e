package signs

import (
	"slices"
	"strings"

	"postroad/internal/format/confusable"
)

// brands are names that phishing uses most, of at least four letters and with no other meaning that people's names have: each is the first
// label of its owner's domains. The list is short on purpose. It finds what imitates them; a domain that has the name in it is left alone,
// for owners have many (facebookmail.com).
var brands = [...]string{
	"adobe", "aliexpress", "amazon", "americanexpress", "binance", "bankofamerica", "barclays", "citibank", "coinbase", "commerzbank",
	"deutschebank", "docusign", "dropbox", "facebook", "fedex", "google", "hsbc", "icloud", "instagram", "intuit", "linkedin", "mastercard",
	"metamask", "microsoft", "netflix", "office365", "onedrive", "outlook", "paypal", "postbank", "quickbooks", "santander", "sharepoint",
	"sparkasse", "spotify", "telekom", "usps", "volksbank", "wellsfargo", "whatsapp",
}

// brandLooks has the brands' places by what they look like: the first of those that look the same.
var brandLooks = func() map[string]int {
	all := make(map[string]int, len(brands))
	for i, b := range brands {
		if _, ok := all[confusable.Skeleton(b)]; !ok {
			all[confusable.Skeleton(b)] = i
		}
	}
	return all
}()

// brandOf is the brand that a name claims to be, by whole words, however it is spelled; "": none.
func brandOf(name string) string {
	if len(name) < 4 {
		return ""
	}
	found := len(brands)
	look := func(w string) {
		if i, ok := brandLooks[w]; ok {
			found = min(found, i)
		}
	}
	skeleton := confusable.Skeleton(name)
	words := 0
	for w := range strings.FieldsFuncSeq(skeleton, betweenWords) {
		look(w)
		words++
	}
	if words > 1 {
		look(strings.Join(strings.FieldsFunc(skeleton, betweenWords), ""))
	}
	if found == len(brands) {
		return ""
	}
	return brands[found]
}

// betweenWords reports whether a character parts the words of a name.
func betweenWords(r rune) bool { return r <= ',' || r == '.' || r == '/' || r == '|' || r == ':' }

// brandAlike is the brand that a host is easily taken for without having it in its name, and how easily.
func brandAlike(s *site) (string, Severity) {
	mine := label(s.registered)
	if len(mine) < 4 {
		return "", 0
	}
	same, looks := brandLooks[s.look]
	for i, b := range brands {
		switch {
		case mine == b:
			return "", 0
		case looks && same == i:
			return b, Danger
		case len(b) >= 6 && len(b)-len(mine) <= 1 && len(mine)-len(b) <= 1 && oneEdit(mine, b) && !strings.Contains(mine, b):
			return b, Warning
		}
	}
	return "", 0
}

// freeMail are domains where anybody has a mailbox for nothing.
var freeMail = [...]string{
	"126.com", "163.com", "aol.com", "freenet.de", "gmail.com", "gmx.at", "gmx.ch", "gmx.com", "gmx.de", "gmx.net", "googlemail.com",
	"hotmail.co.uk", "hotmail.com", "hotmail.de", "hotmail.fr", "icloud.com", "inbox.lv", "inbox.ru", "laposte.net", "libero.it",
	"live.co.uk", "live.com", "live.de", "mail.com", "mail.ru", "me.com", "msn.com", "naver.com", "o2.pl", "orange.fr", "outlook.com",
	"outlook.de", "outlook.fr", "pm.me", "proton.me", "protonmail.com", "qq.com", "rambler.ru", "rediffmail.com", "seznam.cz", "t-online.de",
	"tuta.io", "tutanota.com", "ukr.net", "web.de", "wp.pl", "yahoo.co.jp", "yahoo.co.uk", "yahoo.com", "yahoo.de", "yahoo.fr", "yandex.com",
	"yandex.ru", "ymail.com", "zoho.com",
}

func isFreeMail(domain string) bool {
	_, ok := slices.BinarySearch(freeMail[:], domain)
	return ok
}

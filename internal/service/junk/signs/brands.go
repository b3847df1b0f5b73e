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

// brandOf is the brand that a name claims to be, by whole words, however it is spelled; "": none.
func brandOf(name string) string {
	if len(name) < 4 {
		return ""
	}
	words := strings.FieldsFunc(confusable.Skeleton(name), func(r rune) bool { return r <= ',' || r == '.' || r == '/' || r == '|' || r == ':' })
	whole := strings.Join(words, "")
	for _, b := range brands {
		if slices.ContainsFunc(words, func(w string) bool { return confusable.HasSkeleton(b, w) }) || confusable.HasSkeleton(b, whole) {
			return b
		}
	}
	return ""
}

// brandAlike is the brand that a host is easily taken for without having it in its name, and how easily.
func brandAlike(s *site) (string, Severity) {
	mine := label(s.registered)
	if len(mine) < 4 {
		return "", 0
	}
	for _, b := range brands {
		if mine == b {
			return "", 0
		}
		if confusable.HasSkeleton(b, s.look) {
			return b, Danger
		}
		if len(b) >= 6 && oneEdit(mine, b) && !strings.Contains(mine, b) {
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

package signs

import (
	"slices"
	"strings"
	"testing"

	"postroad/internal/format/confusable"
)

// TestBrandsAtOnce: brands are found as if each were compared.
func TestBrandsAtOnce(t *testing.T) {
	for _, name := range []string{"", "Pay", "PayPal", "Pay Pal Support", "PаyPаl", "the 0utlook team", "Amaz0n.com", "micro soft", "Rnicrosoft: Account", "Ann Example", "hsbc", "HSBC/Bank", "Wells Fargo", "wells, Fargo and more", "office 365"} {
		words := strings.FieldsFunc(confusable.Skeleton(name), betweenWords)
		whole, want := strings.Join(words, ""), ""
		for _, b := range brands {
			if len(name) >= 4 && want == "" && (slices.ContainsFunc(words, func(w string) bool { return confusable.HasSkeleton(b, w) }) || confusable.HasSkeleton(b, whole)) {
				want = b
			}
		}
		if got := brandOf(name); got != want {
			t.Errorf("%q: %q, not %q", name, got, want)
		}
	}
	for _, host := range []string{"paypal.com", "paypa1.com", "paypall.example", "mypaypal.com", "rnicrosoft.com", "microsft.com", "amazom.com", "xn--pypal-4ve.com", "sender.test", "hsbc1.example", "h5bc.example", "goggle.example", "facebo0k.example"} {
		s := siteOf(host)
		mine, want, severity := label(s.registered), "", Severity(0)
		for _, b := range brands {
			if len(mine) < 4 || mine == b {
				break
			}
			if confusable.HasSkeleton(b, s.look) {
				want, severity = b, Danger
				break
			}
			if len(b) >= 6 && oneEdit(mine, b) && !strings.Contains(mine, b) {
				want, severity = b, Warning
				break
			}
		}
		if got, how := brandAlike(&s); got != want || how != severity {
			t.Errorf("%q: %q %v, not %q %v", host, got, how, want, severity)
		}
	}
}

// TestUrgentAtOnce: what is passed over isn't urgent.
func TestUrgentAtOnce(t *testing.T) {
	for subject, want := range map[string]bool{
		"": false, "Urgent: call": true, "this is URGENT": true, "insurgent": false, "Срочно!": true, "Bitte bestätigen Sie": true, "unverify your": false,
		"please verify your account": true, "the minutes of Monday": false, "letzte Mahnung": true,
	} {
		if got := urgent(subject); got != want {
			t.Errorf("%q: %v", subject, got)
		}
	}
}

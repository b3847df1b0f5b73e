package directory

import (
	"encoding/base32"
	"net/url"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
)

// RFC 6238 appendix B, the last six digits.
func TestCodes(t *testing.T) {
	for unix, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := codeAt("12345678901234567890", codeStep(time.Unix(unix, 0))); got != want {
			t.Errorf("%d: %s, want %s", unix, got, want)
		}
	}
}

func TestTwoStep(t *testing.T) {
	now := epoch
	d, err := Open(t.Context(), newStore(t), Options{Hash: quick, Now: func() time.Time { return now }})
	ok(t, err)
	ctx := t.Context()
	_, err = d.AddDomain(ctx, "example.org")
	ok(t, err)
	ann := add(t, d, "ann")
	fails(t, d.UseCode(ctx, ann, "000000"), fault.Conflict)
	_, err = d.ConfirmTwoStep(ctx, ann, "000000")
	fails(t, err, fault.Conflict)
	e, err := d.EnrolTwoStep(ctx, ann, "mail & more")
	ok(t, err)
	u, err := url.Parse(e.URL)
	ok(t, err)
	if u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/mail & more:ann@example.org" || u.Query().Get("secret") != e.Secret || u.Query().Get("issuer") != "mail & more" {
		t.Errorf("%s", e.URL)
	}
	raw, err := base32.StdEncoding.DecodeString(e.Secret)
	ok(t, err)
	code := func() string { return codeAt(string(raw), codeStep(now)) }
	if profileOf(t, d, ann).TwoStep {
		t.Error("it is on before a code was seen")
	}
	wrong := "000000"
	if code() == wrong {
		wrong = "000001"
	}
	_, err = d.ConfirmTwoStep(ctx, ann, wrong)
	fails(t, err, fault.Unauthenticated)
	recovery, err := d.ConfirmTwoStep(ctx, ann, code())
	ok(t, err)
	if !profileOf(t, d, ann).TwoStep || len(recovery) != recoveryCodes {
		t.Errorf("%d recovery codes", len(recovery))
	}
	_, err = d.EnrolTwoStep(ctx, ann, "x")
	fails(t, err, fault.Conflict)
	fails(t, d.UseCode(ctx, ann, code()), fault.Unauthenticated) // each is good once
	used := code()
	now = now.Add(codePeriod)
	fails(t, d.UseCode(ctx, ann, used), fault.Unauthenticated)
	ok(t, d.UseCode(ctx, ann, code()[:3]+" "+code()[3:]))
	now = now.Add(3 * codePeriod)
	late := code()
	now = now.Add(2 * codePeriod)
	fails(t, d.UseCode(ctx, ann, late), fault.Unauthenticated)
	now = now.Add(-codePeriod)
	ok(t, d.UseCode(ctx, ann, late)) // a clock that is half a minute behind

	ok(t, d.UseCode(ctx, ann, strings.ToUpper(recovery[3])))
	fails(t, d.UseCode(ctx, ann, recovery[3]), fault.Unauthenticated)
	if s, err := d.TwoStep(ctx, ann); err != nil || !s.On || s.Recovery != recoveryCodes-1 || s.Since != epoch {
		t.Errorf("%+v %v", s, err)
	}
	fresh, err := d.RenewRecoveryCodes(ctx, ann)
	ok(t, err)
	fails(t, d.UseCode(ctx, ann, recovery[4]), fault.Unauthenticated)
	ok(t, d.UseCode(ctx, ann, fresh[0]))
	consistent(t, d)
	ok(t, d.EndTwoStep(ctx, ann))
	_, err = d.RenewRecoveryCodes(ctx, ann)
	fails(t, err, fault.Conflict)
	if s, err := d.TwoStep(ctx, ann); err != nil || s != (TwoStep{}) || profileOf(t, d, ann).TwoStep {
		t.Errorf("%+v %v", s, err)
	}
	_, err = d.TwoStep(ctx, ann+9)
	fails(t, err, fault.NotFound)
}

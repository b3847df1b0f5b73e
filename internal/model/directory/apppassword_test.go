package directory

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

func profileOf(t *testing.T, d *Directory, id ident.AccountID) *Profile {
	t.Helper()
	p, err := d.ProfileByID(t.Context(), id)
	ok(t, err)
	return p
}

func TestAppPasswords(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann, ben := add(t, d, "ann"), add(t, d, "ben")
	a, text, err := d.AddAppPassword(ctx, ann, NewAppPassword{Name: "phone", Protocols: []string{"smtp", "imap", "imap"}, Expires: epoch.Add(time.Hour)})
	ok(t, err)
	_, _, err = d.AddAppPassword(ctx, ann, NewAppPassword{Name: "phone"})
	fails(t, err, fault.Exists)
	_, other, err := d.AddAppPassword(ctx, ben, NewAppPassword{Name: "phone"})
	ok(t, err)
	p := profileOf(t, d, ann)
	for in, want := range map[string]bool{
		text: true, strings.ToUpper(text): true, strings.ReplaceAll(text, "-", ""): true, " " + strings.ReplaceAll(text, "-", " "): true,
		other: false, text + "a": false, text[1:]: false, "": false, text + "\x00": false, strings.Repeat("a", 25): false, strings.Repeat("-", 100): false,
	} {
		if got := d.MatchAppPassword(p, in); (got != nil) != want || want && (got.ID != a.ID || got.Name != "phone") {
			t.Errorf("%q: %+v", in, got)
		}
	}
	if d.MatchAppPassword(nil, text) != nil || d.MatchAppPassword(profileOf(t, d, ben), text) != nil {
		t.Error("somebody else's app password fits")
	}
	got := &profileOf(t, d, ann).AppPasswords[0]
	for protocol, want := range map[string]bool{"imap": true, "smtp": true, "pop3": false} {
		if got.Opens(protocol, epoch) != want || got.Opens(protocol, epoch.Add(time.Hour)) {
			t.Errorf("%s: %t", protocol, !want)
		}
	}
	removed, err := d.RemoveAppPassword(ctx, ann, "phone")
	ok(t, err)
	_, err = d.RemoveAppPassword(ctx, ann, "phone")
	fails(t, err, fault.NotFound)
	if removed.ID != a.ID || d.MatchAppPassword(profileOf(t, d, ann), text) != nil {
		t.Error("it is still there")
	}
	again, _, err := d.AddAppPassword(ctx, ann, NewAppPassword{Name: "phone"})
	ok(t, err)
	if again.ID == a.ID {
		t.Error("the number was given again")
	}
}

func TestAppPasswordsThatCannotBe(t *testing.T) {
	d := newDirectory(t)
	ann := add(t, d, "ann")
	for _, n := range []NewAppPassword{{}, {Name: strings.Repeat("x", MaxAppName+1)}, {Name: "a\nb"}, {Name: "x", Protocols: []string{"ftp"}}, {Name: "x", Expires: epoch}} {
		_, _, err := d.AddAppPassword(t.Context(), ann, n)
		fails(t, err, fault.Invalid)
	}
	_, _, err := d.AddAppPassword(t.Context(), ann+99, NewAppPassword{Name: "x"})
	fails(t, err, fault.NotFound)
	for i := range MaxAppPasswords {
		_, _, err := d.AddAppPassword(t.Context(), ann, NewAppPassword{Name: fmt.Sprint(i)})
		ok(t, err)
	}
	_, _, err = d.AddAppPassword(t.Context(), ann, NewAppPassword{Name: "one more"})
	fails(t, err, fault.TooLarge)
}

// SCRAM names a salt before it knows which password the client has: so all of an account's have the same, whatever comes first.
func TestPasswordsOfAnAccountShareTheirSalt(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann := add(t, d, "ann")
	same := func() {
		t.Helper()
		p := profileOf(t, d, ann)
		salt, count, has := p.ScramSalt()
		k, _ := p.AppPasswords[0].ScramKeys(ScramSHA256)
		if !has || k.Salt != salt || k.Iterations != count || k.StoredKey == "" {
			t.Errorf("salts %x and %x", salt, k.Salt)
		}
	}
	_, _, err := d.AddAppPassword(ctx, ann, NewAppPassword{Name: "first"})
	ok(t, err)
	same()
	for _, password := range []string{"one", "two"} {
		ok(t, d.SetPassword(ctx, ann, password))
		same()
	}
	_, _, err = d.AddAppPassword(ctx, ann, NewAppPassword{Name: "second"})
	ok(t, err)
	same()
	p := profileOf(t, d, ann)
	before, _, _ := p.ScramSalt()
	harder := quick
	harder.ScramIterations, harder.Scram = 5000, ScramSHA512
	d.hasher.params = harder.withDefaults()
	ok(t, d.Upgrade(ctx, p, "two"))
	same()
	p = profileOf(t, d, ann)
	if _, has := p.Credential.ScramKeys(ScramSHA512); !has || d.hasher.outdated(p.Credential, true) {
		t.Error("there are no new keys")
	}
	for _, name := range []string{"first", "second"} {
		_, err = d.RemoveAppPassword(ctx, ann, name)
		ok(t, err)
	}
	ok(t, d.SetPassword(ctx, ann, "three"))
	if after, count, _ := profileOf(t, d, ann).ScramSalt(); after == before || count != 5000 {
		t.Error("without app passwords a new password has a new salt")
	}
}

func TestAccountsTakeAppPasswordsAlong(t *testing.T) {
	d := newDirectory(t)
	ann := add(t, d, "ann")
	_, _, err := d.AddAppPassword(t.Context(), ann, NewAppPassword{Name: "phone"})
	ok(t, err)
	_, err = d.EnrolTwoStep(t.Context(), ann, "Postroad")
	ok(t, err)
	ok(t, d.RemoveAccount(t.Context(), ann)) // Check finds what is left behind
}

// What is kept where CRAM-MD5 or APOP are wanted opens again, and is nowhere in the clear.
func TestRecoverablePasswords(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann := add(t, d, "ann")
	ok(t, d.SetPassword(ctx, ann, "open sesame"))
	if _, has := d.Plain(profileOf(t, d, ann).Credential); has {
		t.Error("the password is kept without need")
	}
	d.hasher.params.Recoverable = true
	ok(t, d.Upgrade(ctx, profileOf(t, d, ann), "open sesame"))
	_, text, err := d.AddAppPassword(ctx, ann, NewAppPassword{Name: "phone"})
	ok(t, err)
	p := profileOf(t, d, ann)
	if got, has := d.Plain(p.Credential); !has || got != "open sesame" {
		t.Errorf("%q %t", got, has)
	}
	if got, has := d.PlainApp(&p.AppPasswords[0]); !has || got != text {
		t.Errorf("%q %t", got, has)
	}
	if strings.Contains(string(p.Credential.encode()), "sesame") {
		t.Error("the password is in the record")
	}
	d.hasher.params.Recoverable = false
	ok(t, d.Upgrade(ctx, p, "open sesame"))
	if _, has := d.Plain(profileOf(t, d, ann).Credential); has {
		t.Error("the password is still kept")
	}
}

// A credential as the first version wrote it: version, time, argon2's parameters, salt, hash, count, salt, keys.
func TestOldCredentialIsRead(t *testing.T) {
	old := newRecord(1).uint(3).time(epoch).uint(8).uint(1).uint(1).text("salt").text("hash").uint(4096).text("salz").text("stored").text("server")
	c, err := decodeCredential(old)
	ok(t, err)
	k, has := c.ScramKeys(ScramSHA256)
	if !has || k != (ScramKeys{"salz", 4096, "stored", "server"}) || c.Version != 3 || c.hash != "hash" {
		t.Errorf("%+v %+v", c, k)
	}
	if _, has := c.ScramKeys(ScramSHA1); has {
		t.Error("there are keys for SHA-1")
	}
	h := newHasher(quick, nil)
	if h.outdated(c, false) {
		t.Error("it is upgraded without need")
	}
}

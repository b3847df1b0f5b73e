package passhash

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"postroad/internal/fault"
)

// TestOthersHashes verifies what other programs have made.
func TestOthersHashes(t *testing.T) {
	f, err := os.Open("testdata/hashes.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for in := bufio.NewScanner(f); in.Scan(); {
		p := strings.Split(in.Text(), "\t")
		if len(p) != 3 {
			continue
		}
		n++
		b, err := hex.DecodeString(p[1])
		if err != nil {
			t.Fatal(err)
		}
		password := string(b)
		if ok, err := Verify(p[2], password); !ok || err != nil {
			t.Errorf("%s: %v %v", p[2], ok, err)
		}
		if ok, err := Verify(p[2], "!"+password); ok || err != nil {
			t.Errorf("%s takes a wrong password: %v", p[2], err)
		}
	}
	if n < 50 {
		t.Error("only", n)
	}
}

func TestWhatIsRefused(t *testing.T) {
	for stored, want := range map[string]fault.Kind{
		"":                               fault.Unsupported,
		"plain":                          fault.Unsupported,
		"{PLAIN}x":                       fault.Unsupported,
		"{CLEARTEXT}x":                   fault.Unsupported,
		"{CRYPT}ab1234567890a":           fault.Unsupported, // DES
		"$1$salt$qJH7.N4xYta3aEG/dfqo/0": fault.Unsupported, // MD5
		"{SSHA":                          fault.Unsupported,
		"{SSHA}":                         fault.Corrupt,
		"{SSHA}!!!!":                     fault.Corrupt,
		"{SHA}" + "AAAA":                 fault.Corrupt,
		"$5$":                            fault.Corrupt,
		"$5$salt":                        fault.Corrupt,
		"$5$salt$":                       fault.Corrupt,
		"$6$rounds=x$salt$hash":          fault.Corrupt,
		"$6$rounds=1000001$salt$hash":    fault.Unsupported,
		"$6$rounds=4000000000$salt$hash": fault.Unsupported,
		"$2b$":                           fault.Corrupt,
		"$2b$15$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq":                                 fault.Unsupported,
		"$argon2id$v=19$m=65536,t=3,p=4$c2FsdA":                                                        fault.Corrupt,
		"$argon2id$v=19$m=65536,t=3,p=0$c2FsdHNhbHQ$aGFzaGhhc2g":                                       fault.Corrupt,
		"$argon2id$v=19$m=65536,t=0,p=1$c2FsdHNhbHQ$aGFzaGhhc2g":                                       fault.Corrupt,
		"$argon2id$v=19$m=4194304,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g":                                     fault.Unsupported,
		"$argon2id$v=19$m=65536,t=4000,p=4$c2FsdHNhbHQ$aGFzaGhhc2g":                                    fault.Unsupported,
		"$argon2d$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g":                                        fault.Unsupported,
		"{PBKDF2-SHA256}9999999999$jq40ImWtmpTE.aYDYV1GfQ$mpiL4ui02ACmYOAnCjp/MI1gQk50xLbZ54RZneU0fCg": fault.Unsupported,
		"{PBKDF2-SHA256}0$jq40ImWtmpTE.aYDYV1GfQ$mpiL4ui02ACmYOAnCjp/MI1gQk50xLbZ54RZneU0fCg":          fault.Corrupt,
		"{PBKDF2-SHA256}1$x":                  fault.Corrupt,
		strings.Repeat("x", MaxLength+1):      fault.Corrupt,
		"{SSHA}" + strings.Repeat("A", 1<<20): fault.Corrupt,
	} {
		ok, err := Verify(stored, "x")
		if ok || !fault.Is(err, want) {
			t.Errorf("%.60q: %v %v, want %v", stored, ok, err, want)
		}
		if err != nil && len(stored) > 4 && strings.Contains(err.Error(), stored) {
			t.Errorf("the error tells what is stored: %v", err)
		}
	}
	for n, want := range map[int]bool{MaxPassword: true, MaxPassword + 1: false, 1 << 20: false} {
		password := strings.Repeat("a", n)
		b := digests["SHA256"].make()
		b.Write([]byte(password))
		stored := "{SHA256}" + encode64(b.Sum(nil))
		if ok, err := Verify(stored, password); ok != want || err != nil {
			t.Errorf("%d bytes: %v %v", n, ok, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	for _, s := range []string{"{SSHA}abc", "$5$rounds=1000$x$y", "$6$a$b", "$2y$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq", "{PBKDF2-SHA1}1$AA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"} {
		f.Add(s, "password")
	}
	f.Fuzz(func(t *testing.T, stored, password string) {
		if ok, err := Verify(stored, password); ok && err != nil {
			t.Error(stored, err)
		}
	})
}

func encode64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

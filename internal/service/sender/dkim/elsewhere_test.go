package dkim

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postroad/internal/service/sender/authres"
)

// keyFile writes the RSA key as other programs read it.
func keyFile(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(testKeys().rsa)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// someMessages are made up anew at each call with the same result. They end with a line end: of white space at the end of a last line that
// has none, RFC 6376 §3.4.4 can be read in two ways, and dkimpy keeps it.
func someMessages(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = rapid.Custom(message).Example(i)
		if !strings.HasSuffix(all[i], "\r\n") {
			all[i] += "\r\n"
		}
	}
	return all
}

// dkimpy verifies the messages that it reads, and signs those that have to be, in each pair of forms.
const dkimpy = `
import sys, json, base64, dkim
task = json.load(sys.stdin)
zone = {k.rstrip(".").lower(): v.encode() for k, v in task["zone"].items()}
def txt(name, timeout=5):
    return zone.get(name.decode().rstrip(".").lower())
out = {"verified": [], "signed": []}
for m in task["verify"]:
    m = base64.b64decode(m)
    d, n = dkim.DKIM(m), m.count(b"DKIM-Signature:")
    results = []
    for i in range(n):
        try:
            results.append(bool(d.verify(idx=i, dnsfunc=txt)))
        except Exception as e:
            results.append(False)
    out["verified"].append(results)
key = open(task["key"], "rb").read()
forms = [b"simple", b"relaxed"]
for i, m in enumerate(task["sign"]):
    m = base64.b64decode(m)
    sig = dkim.sign(m, b"r", b"example.org", key, canonicalize=(forms[i % 2], forms[i // 2 % 2]), include_headers=[b"from", b"to", b"subject"])
    out["signed"].append(base64.b64encode(sig + m).decode())
json.dump(out, sys.stdout)
`

// TestDkimpy compares with dkimpy (Debian's package python3-dkim) where it is installed: what we sign with both kinds of key
// passes there, what it signs in each form passes here, and what has been changed passes with neither.
func TestDkimpy(t *testing.T) {
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import dkim").Run() != nil {
		t.Skip("python3-dkim is not installed")
	}
	type task struct {
		Zone   zone     `json:"zone"`
		Key    string   `json:"key"`
		Verify [][]byte `json:"verify"`
		Sign   [][]byte `json:"sign"`
	}
	todo := task{Zone: testZone(), Key: keyFile(t)}
	for i, msg := range someMessages(40) {
		signed := sign(t, SignOptions{}, msg)
		todo.Verify = append(todo.Verify, []byte(signed), []byte(strings.Replace(signed, "\r\n\r\n", "\r\n\r\n"+string(rune('a'+i%26)), 1)))
		todo.Sign = append(todo.Sign, []byte(msg))
	}
	in, err := json.Marshal(todo)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", dkimpy)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	answer, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Verified [][]bool `json:"verified"`
		Signed   []string `json:"signed"`
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		t.Fatal(err)
	}
	for i, msg := range todo.Verify {
		for j, r := range verify(todo.Zone, string(msg)) {
			if theirs := j < len(out.Verified[i]) && out.Verified[i][j]; theirs != (r.Status == authres.Pass) || theirs != (i%2 == 0) {
				t.Errorf("message %d, signature %d: we say %s, they say %v of %q", i, j, r.Status, theirs, msg)
			}
		}
	}
	for i, s := range out.Signed {
		msg, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := ours(todo.Zone, string(msg)); got != "pass" {
			t.Errorf("message %d: we say %q of %q", i, got, msg)
		}
	}
}

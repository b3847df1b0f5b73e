package reportmail

import (
	"archive/zip"
	"bytes"
	"errors"
	"testing"
)

// TestReadsNoFurther: of a file that can't be a report only the beginning is unpacked.
func TestReadsNoFurther(t *testing.T) {
	for _, begin := range []string{"A", " ", "PK\x03\x04"} {
		c := &counted{begin: begin}
		if _, err := readReport(c); !errors.Is(err, errOther) || c.n > 3*maxBegin {
			t.Errorf("%q: %v after %d bytes", begin, err, c.n)
		}
	}
	for _, begin := range []string{"<", "\xEF\xBB\xBF\r\n {"} {
		if b, err := readReport(bytes.NewReader([]byte(begin))); err != nil || len(b) != 1 {
			t.Errorf("%q: %q, %v", begin, b, err)
		}
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, _ := z.CreateHeader(&zip.FileHeader{Name: "large", Method: zip.Store})
	w.Write(bytes.Repeat([]byte("A"), MaxFile+1))
	w, _ = z.Create("report.xml")
	w.Write([]byte("<feedback/>"))
	z.Close()
	if got, err := Unpack(b.Bytes()); err != nil || string(got) != "<feedback/>" {
		t.Errorf("%.20q, %v", got, err)
	}
}

// counted is endless and counts what is read of it.
type counted struct {
	begin string
	n     int
}

func (c *counted) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'A'
		if c.begin == " " {
			p[i] = ' '
		}
	}
	if c.n == 0 {
		copy(p, c.begin)
	}
	c.n += len(p)
	return len(p), nil
}

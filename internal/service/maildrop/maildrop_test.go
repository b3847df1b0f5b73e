package maildrop

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

func TestPolicyIsChecked(t *testing.T) {
	for _, c := range []struct {
		p  Policy
		ok bool
	}{
		{Policy{}, true}, {Policy{OnDelete: Keep, MarkSeen: true}, true}, {Policy{OnDelete: Trash, RemoveAfterDays: MaxDays}, true},
		{Policy{OnDelete: "burn"}, false}, {Policy{RemoveAfterDays: -1}, false}, {Policy{RemoveAfterDays: MaxDays + 1}, false},
		{Policy{OnDelete: Keep, RemoveAfterDays: 1}, false},
	} {
		if err := c.p.Validate(); (err == nil) != c.ok || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", c.p, err)
		}
	}
}

func TestMarks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Marks
		days := map[mailbox.ItemID]int64{}
		in := map[mailbox.ItemID]bool{}
		for id := range mailbox.ItemID(60) {
			in[id] = true
		}
		for day := range int64(rapid.IntRange(1, 6).Draw(t, "days")) {
			items := rapid.SliceOf(rapid.Map(rapid.IntRange(0, 59), func(n int) mailbox.ItemID { return mailbox.ItemID(n) })).Draw(t, "items")
			for id := range mailbox.ItemID(60) { // some leave
				if rapid.IntRange(0, 9).Draw(t, "leaves") == 0 {
					delete(in, id)
					delete(days, id)
				}
			}
			m.add(items, day, in)
			for _, id := range items {
				if _, known := days[id]; !known && in[id] {
					days[id] = day
				}
			}
			again, err := readMarks(m.bytes())
			if err != nil || len(again.all) != len(m.all) {
				t.Fatalf("%v %v", again, err)
			}
			m = again
		}
		for id := range mailbox.ItemID(60) {
			day, marked := days[id]
			if m.Has(id) != marked {
				t.Fatalf("item %d is marked: %v", id, !marked)
			}
			for d := range int64(7) {
				if m.until(d)[id] != (marked && day <= d) {
					t.Fatalf("item %d of day %d, until %d", id, day, d)
				}
			}
		}
	})
}

func TestMarksAreBounded(t *testing.T) {
	var m Marks
	for id := range mailbox.ItemID(300_000) {
		m.all = append(m.all, mark{id, int64(id) / 1000})
	}
	b := m.bytes()
	got, err := readMarks(b)
	if err != nil || len(b) > maxMarks || len(b) < maxMarks/2 {
		t.Errorf("%d bytes: %v", len(b), err)
	}
	if !got.Has(299_999) || got.Has(0) {
		t.Error("the newest have to stay")
	}
	for n := range b {
		readMarks(b[:n%1000]) // no panic
	}
	if _, err := readMarks([]byte{2}); !fault.Is(err, fault.Corrupt) {
		t.Error(err)
	}
	if _, err := readMarks([]byte{1, 5, 200}); !fault.Is(err, fault.Corrupt) {
		t.Error(err)
	}
}

func TestDays(t *testing.T) {
	if d := dayOf(time.Date(1970, 1, 2, 23, 59, 0, 0, time.UTC)); d != 1 {
		t.Error(d)
	}
}

func TestIDFormats(t *testing.T) {
	for name, want := range map[string]string{
		"dovecot": "000061ae4c0907b0", "UW": "4c0907b0000061ae", "cyrus": "1275660208.25006", "courier": "UID25006-1275660208",
		"%u": "25006", "%08Xu": "000061ae", "%Xu.%v": "61ae.1275660208", "%%%3u": "%25006",
	} {
		f, err := ParseIDFormat(name)
		if err != nil || f.ID(25006, 1275660208) != want {
			t.Errorf("%s: %q %v", name, f.ID(25006, 1275660208), err)
		}
	}
	for _, bad := range []string{"", "x", "%v", "%f", "%u %v", "%u%", "%99u", "%08xu", "é%u", string(make([]byte, 80)) + "%u"} {
		if _, err := ParseIDFormat(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for id, want := range map[string]bool{"!~": true, "": false, "a b": false, "a\x7f": false, "é": false} {
		if ValidUniqueID(id) != want {
			t.Errorf("%q: %v", id, !want)
		}
	}
}

package main

import (
	"os"
	"path/filepath"
	"testing"

	"postroad/internal/service/junk/features"
	"postroad/internal/service/junk/model"
)

// TestShippedBase: mail as people get it today isn't junk to the base that is part of the program: it was made of other mail.
func TestShippedBase(t *testing.T) {
	x, b := features.New(), model.Default()
	good, _ := filepath.Glob("../../../format/*/testdata/*.eml")
	if len(good) < 10 {
		t.Fatal("the sample messages are gone")
	}
	for _, f := range good {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if s := b.Judge(x.Extract(read(raw))); s.Junk >= model.Normal && filepath.Base(f) != "spam.eml" {
			t.Errorf("%s is junk: %.4f", f, s.Junk)
		}
	}
}

// TestObviousJunk: and what is written like the junk of all times has a high score.
func TestObviousJunk(t *testing.T) {
	x, b := features.New(), model.Default()
	score := func(raw string) float64 { return b.Judge(x.Extract(read([]byte(raw)))).Logit }
	junk := score(`Received: from unknown (HELO x) ([198.51.100.7]) by mx.example.com; Mon, 2 Feb 2026 10:00:00 +0000
From: "Mr. James Barrister" <win_99812@hotmail.com>
Reply-To: claims@gmail.example
Subject: CONGRATULATIONS!!! YOUR PAYMENT FUND OF $10,500,000.00 USD
Content-Type: text/html

<html><body><font color=red>Dear Friend,</font> your payment of ten million dollars has been approved. Kindly click here to claim your free money now.
Send your bank account and full name. 100% guaranteed, no risk. To be removed from our list click here <a href="http://198.51.100.9/remove.php?x=1">http://bank.example/</a>
</body></html>
`)
	good := score(`Received: from mail.example.org (mail.example.org [192.0.2.7]) by mx.example.com; Mon, 2 Feb 2026 10:00:00 +0000
From: Ann Example <ann@example.org>
To: Bob <bob@example.com>
Subject: Re: minutes of Thursday
In-Reply-To: <1@example.com>
References: <1@example.com>
Message-ID: <2@example.org>
Date: Mon, 2 Feb 2026 10:00:00 +0000
Content-Type: text/plain; charset=utf-8

On Monday Bob wrote:
> could you look over the minutes?

I did, thanks. There is a typo in the second paragraph, and I think the budget
should be discussed again when Carol is back. See you tomorrow.
`)
	if junk < 3 || good > -1 || junk-good < 5 {
		t.Errorf("junk has %.2f, good mail %.2f", junk, good)
	}
}

func TestNeutral(t *testing.T) {
	got := string(neutral([]byte("From x Mon Jan 1\r\nX-Spam-Status: Yes,\r\n\tscore=9\r\nSubject: a\r\n b\r\nX-MS-Has: y\r\n\r\nX-Spam: in the body\r\n")))
	if want := "Subject: a\n b\n\nX-Spam: in the body\n"; got != want {
		t.Errorf("%q", got)
	}
}

func TestFigure(t *testing.T) {
	f := figure([]result{{3, true}, {2, true}, {2, false}, {1, true}, {0, false}, {0, false}}, 1.5)
	if f.caught != 2 || f.lost != 1 || f.junk != 3 || f.good != 3 || f.caughtAtNone != 1.0/3 {
		t.Errorf("%+v", f)
	}
	if want := (3 + 2 + 2) / 9.0; f.area != want { // a tie counts as lost
		t.Errorf("area %f, not %f", f.area, want)
	}
}

package summary

import (
	"strings"
	"testing"

	"postroad/internal/format/message"
)

// typical is a message as it comes from a mailing program, of about 2 KB.
var typical = strings.ReplaceAll(`Return-Path: <ann@example.org>
Received: from mx.example.net (mx.example.net [192.0.2.1])
	by mail.example.com with ESMTPS id 4XyZ12345 for <bob@example.com>;
	Tue, 3 Mar 2026 10:11:12 +0000
Received: from laptop.example.org (unknown [198.51.100.7])
	by mx.example.net (Postfix) with ESMTPSA id 0A1B2C3D4E
	for <bob@example.com>; Tue,  3 Mar 2026 10:11:10 +0000 (UTC)
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=sel;
	h=from:to:subject:date:message-id; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;
	b=dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZVoG4ZHRNiYzR
Date: Tue, 3 Mar 2026 11:11:09 +0100
From: Ann Example <ann@example.org>
To: Bob Builder <bob@example.com>, "Carol, the third" <carol@example.com>
Cc: =?utf-8?q?J=C3=B6rg_M=C3=BCller?= <joerg@example.de>
Subject: Re: [list] The quarterly numbers and what to do about them
Message-ID: <20260303111109.12345@laptop.example.org>
In-Reply-To: <CAFoo123@mail.example.com>
References: <CAFoo120@mail.example.com> <CAFoo121@mail.example.com>
	<CAFoo123@mail.example.com>
MIME-Version: 1.0
User-Agent: Mutt/2.2.9
Content-Type: multipart/alternative; boundary="----=_Part_1234_5678"

------=_Part_1234_5678
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: quoted-printable

Hello Bob,

the numbers are in, and they are better than we thought=E2=80=A6

Ann
------=_Part_1234_5678
Content-Type: text/html; charset=UTF-8
Content-Transfer-Encoding: quoted-printable

<html><body><p>Hello Bob,</p><p>the numbers are in, and they are better than we
thought=E2=80=A6</p><p>Ann</p></body></html>
------=_Part_1234_5678--
`, "\n", "\r\n")

func BenchmarkParseAndMake(b *testing.B) {
	msg := []byte(typical)
	p := message.NewParser(message.Limits{})
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		p.Reset()
		p.Write(msg)
		Make(p.Finish(), "")
	}
}

func BenchmarkMake(b *testing.B) {
	s := message.Parse([]byte(typical))
	b.ReportAllocs()
	for b.Loop() {
		Make(s, "")
	}
}

func BenchmarkPreview(b *testing.B) {
	s := message.Parse([]byte(typical))
	r := strings.NewReader(typical)
	b.ReportAllocs()
	for b.Loop() {
		message.Preview(s, r)
	}
}

func BenchmarkText(b *testing.B) {
	s := message.Parse([]byte(typical))
	r := strings.NewReader(typical)
	b.ReportAllocs()
	for b.Loop() {
		message.Text(s, r, 1<<20)
	}
}

func BenchmarkRead(b *testing.B) {
	r := Make(message.Parse([]byte(typical)), "")
	b.Run("Envelope and BodyStructure", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = r.Envelope(), r.BodyStructure()
		}
	})
	b.Run("Body", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Body()
		}
	})
	b.Run("Part", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Part(2)
		}
	})
}

func BenchmarkAttachment(b *testing.B) {
	line := strings.Repeat("QUJD", 19) + "\r\n"
	msg := []byte("Content-Type: multipart/mixed; boundary=xyz\r\n\r\n--xyz\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		strings.Repeat(line, 100_000) + "--xyz--\r\n")
	p := message.NewParser(message.Limits{})
	b.SetBytes(int64(len(msg)))
	for b.Loop() {
		p.Reset()
		p.Write(msg)
		p.Finish()
	}
}

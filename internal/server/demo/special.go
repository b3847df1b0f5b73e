package demo

import (
	"fmt"
	"strings"
	"time"

	"postroad/internal/format/message"
)

// invitation carries a meeting as programs send them (RFC 6047 §4).
func invitation(w *writer, l letter) message.Entity {
	start := w.now.UTC().AddDate(0, 0, (12-int(w.now.UTC().Weekday()))%7) // the next Friday, or today
	const stamp = "20060102T150405Z"
	ics := "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Demo//EN\nMETHOD:REQUEST\nBEGIN:VEVENT\nUID:lunch@demo.test\n" +
		"DTSTAMP:" + w.date(l).UTC().Format(stamp) + "\n" +
		"DTSTART:" + start.Format("20060102") + "T130000Z\nDTEND:" + start.Format("20060102") + "T140000Z\n" +
		"SUMMARY:Lunch\nLOCATION:Noodle House\\, Quay Street 4\n" +
		"ORGANIZER;CN=Bob Tanaka:mailto:bob@demo.test\nATTENDEE;CN=Alice Moreau;RSVP=TRUE:mailto:alice@demo.test\n" +
		"END:VEVENT\nEND:VCALENDAR\n"
	calendar := message.NewText(ics)
	calendar.Type = "text/calendar"
	calendar.Params = append(calendar.Params, message.Param{Name: "method", Value: "REQUEST"})
	return message.NewMultipart("alternative", text(l), calendar)
}

// bounce tells that a reply could not be delivered (RFC 3464).
func bounce(w *writer, l letter) message.Entity {
	lost := w.sent[l.replyTo]
	status := fmt.Sprintf("Reporting-MTA: dns; mail.%s\nArrival-Date: %s\n\nFinal-Recipient: rfc822; %s\nAction: failed\nStatus: 5.2.2\n"+
		"Remote-MTA: dns; mail.%s\nDiagnostic-Code: smtp; 552 5.2.2 mailbox is full\n",
		Domain, message.FormatDate(w.date(lost)), lost.to[0].address, lost.to[0].domain())
	return message.NewReport("delivery-status", text(l),
		message.Entity{Type: "message/delivery-status", Content: []byte(status)},
		message.Entity{Type: "text/rfc822-headers", Content: headerOf(w.bytes(lost))})
}

// forward has another mail inside, whole.
func forward(w *writer, l letter) message.Entity {
	return message.NewMultipart("mixed", text(l), message.NewMessage(w.bytes(w.sent["garden0"])))
}

func longSubject() string {
	return "Re: " + strings.Repeat("Fwd: ", 6) + "What was said at the meeting on the first of the month, with remarks by those present, and an answer to each of them"
}

func longText() string {
	var b strings.Builder
	for n := range 200 {
		fmt.Fprintf(&b, "%3d. Somebody said that this would take a while, and somebody else wrote it down.\n", n+1)
	}
	return b.String()
}

// zoneOf says how far a place's clock is ahead of UTC.
func zoneOf(hours float64) time.Duration { return time.Duration(hours * float64(time.Hour)) }

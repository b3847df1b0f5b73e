package demo

import (
	"fmt"
	"time"

	"postroad/internal/model/mailbox"
)

// newsletters come every week, for half a year.
func newsletters() []letter {
	heads := []string{"The bridge reopens", "A good year for apples", "Night trains are back", "The clock that ran slow",
		"Rain, and what to do with it", "Letters to the editor"}
	var all []letter
	for week := range 26 {
		head := heads[week%len(heads)]
		flags := seen
		if week < 2 {
			flags = 0
		}
		all = append(all, letter{
			key: fmt.Sprintf("gazette%d", week), age: time.Duration(week)*7*day + 5*hour, from: gazette, to: []person{alice},
			subject: fmt.Sprintf("Weekly Gazette: %s", head), list: "weekly.gazette.example",
			text: head + "\n\nThis week's issue is on our web page. You get this mail because you asked for it.\n",
			html: fmt.Sprintf("<html><head><style>h1{color:#245}</style></head><body><h1>%s</h1><p>This week's issue has four stories, a crossword and the tide table.</p>"+
				"<table width=\"600\"><tr><td><b>Weather</b></td><td>%d &deg;C, some clouds</td></tr></table>"+
				"<p style=\"font-size:small\">You get this mail because you asked for it. <a href=\"https://gazette.example/leave\">Leave</a></p></body></html>", head, 8+week%15),
			copies: []Copy{{Owner: Alice, Folder: lists, Flags: flags}},
		})
	}
	for month := range 6 {
		all = append(all, letter{
			key: fmt.Sprintf("garden%d", month), age: time.Duration(month)*30*day + 11*hour, from: garden, to: []person{bob},
			subject: "[gardenclub] What to sow this month", list: "gardenclub.example",
			text:   "Dear members,\n\nradishes again, and it is not too late for the beans.\n\nThe committee\n-- \nGarden Club, Allotment Lane 12\n",
			copies: []Copy{{Owner: Bob, Folder: lists, Flags: mailbox.Seen}},
		})
	}
	return all
}

// machines write often and at length.
func machines() []letter {
	var all []letter
	for n := range 30 {
		outcome, flags := "passed", seen
		if n%7 == 3 {
			outcome = "FAILED"
		}
		if n < 3 {
			flags = 0
		}
		all = append(all, letter{
			key: fmt.Sprintf("build%d", n), age: time.Duration(n)*13*hour + 20*minute, from: builds, to: []person{bob},
			subject: fmt.Sprintf("[bakery-site] build #%d %s", 412-n, outcome),
			text:    fmt.Sprintf("Build   #%d\nBranch  main\nResult  %s\nTime    1 min %d s\n", 412-n, outcome, 10+n%40),
			copies:  []Copy{{Owner: Bob, Folder: projects, Flags: flags}},
		})
	}
	for n := range 8 {
		all = append(all, letter{
			key: fmt.Sprintf("loan%d", n), age: time.Duration(n)*21*day + 9*hour, from: library, to: []person{alice},
			subject: "Your loans are due in three days",
			text:    "Dear reader,\n\nplease return or renew:\n\n  * The Sorting Office, a history\n  * Bread of the Alps\n\nRiverside Library\n",
			copies:  []Copy{inboxOf(Alice, seen)},
		})
	}
	for n := range 5 {
		all = append(all, letter{
			key: fmt.Sprintf("statement%d", n), age: time.Duration(n)*30*day + 2*hour, from: bank, to: []person{alice},
			subject: fmt.Sprintf("Your statement no. %d", 11-n), text: "Your statement is attached as PDF.\n",
			files:  []file{{fmt.Sprintf("statement-%02d.pdf", 11-n), "application/pdf", pdf(fmt.Sprintf("Statement no. %d", 11-n))}},
			copies: []Copy{{Owner: Alice, Folder: receipts, Flags: seen}},
		})
	}
	return all
}

// oddities are what a mail program must bear with.
func oddities() []letter {
	return []letter{
		{key: "welcome", age: 3 * minute, from: person{"Postroad", "postmaster@" + Domain, 0}, to: []person{alice, bob}, subject: "Welcome to Postroad",
			text: "Hello!\n\nThis is a demonstration. Everything in it stays on your machine: alice@demo.test and\nbob@demo.test can write to each other, and nobody else can be reached.\n\n" +
				"Try this: open Alice's inbox in one program and Bob's in another, send a mail, and see\nit arrive at once. Flag it in one program, and look at it in a second.\n\nEverybody's password is \"demo\".\n",
			copies: []Copy{inboxOf(Alice, 0), inboxOf(Bob, 0)}},
		{key: "bounce", replyTo: "ja-reply", age: 6*day + 19*hour, from: postmaster, to: []person{alice}, subject: "Undelivered mail returned to sender",
			text: "Your message could not be delivered to one recipient.\n", raw: bounce, copies: []Copy{inboxOf(Alice, 0)}},
		{key: "forward", age: 13 * day, from: bob, to: []person{alice}, subject: "Fwd: [gardenclub] What to sow this month",
			text: "Beans! You wanted to know.\n", raw: forward, copies: between(Bob, seen, "$Forwarded")},
		{key: "spam", age: 1*day + 6*hour, from: spammer, to: []person{alice}, subject: "YOU HAVE WON!!! claim your £1,000,000 now",
			text: "Dear lucky winner,\n\nsend us your bank details and a small fee.\n", copies: []Copy{{Owner: Alice, Folder: "Junk", Keywords: []string{"$Junk"}}}},
		{key: "spam2", age: 2*day + 8*hour, from: spammer, to: []person{bob}, subject: "Re: your parcel (last warning)",
			html: "<center><font size=7>CLICK HERE</font></center>", copies: []Copy{{Owner: Bob, Folder: "Junk", Keywords: []string{"$Junk"}}}},
		{key: "long", age: 28 * day, from: dmitri, to: []person{alice}, subject: longSubject(),
			text: longText(), copies: []Copy{inboxOf(Alice, seen)}},
		{key: "nosubject", age: 30 * day, from: bob, to: []person{alice}, text: "Sorry, forgot the subject.\n", copies: between(Bob, seen)},
	}
}

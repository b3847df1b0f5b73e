package demo

import "postroad/internal/model/mailbox"

const (
	seen     = mailbox.Seen
	answered = mailbox.Seen | mailbox.Answered
	flagged  = mailbox.Seen | mailbox.Flagged
)

// letters is all of the demo's mail, in no order.
func letters() []letter {
	var all []letter
	for _, part := range [][]letter{bakeryThread(), lunchThread(), familyMail(), scripts(), newsletters(), machines(), oddities()} {
		all = append(all, part...)
	}
	return all
}

// bakeryThread is a piece of work, told in six mails.
func bakeryThread() []letter {
	return []letter{
		{key: "bakery1", age: 9*day + 3*hour, from: alice, to: []person{bob}, cc: []person{clara}, subject: "Website for the bakery",
			text: "Hi Bob,\n\nClara's bakery needs a small website: opening hours, the week's bread, and a form\nfor cake orders. She would like it to be up before the harvest fair.\n\n" +
				"Could you draw a first page? Her notes are attached.\n\nAlice\n",
			files:  []file{{"notes.txt", "text/plain", []byte("Opening hours\n  Tue-Fri 7-18, Sat 7-14\n\nBreads: rye, spelt, walnut, the long one\nCakes: order two days ahead\n")}},
			copies: []Copy{filed(Alice, "Sent"), inboxOf(Bob, answered)}},
		{key: "bakery2", replyTo: "bakery1", age: 9*day + 1*hour, from: bob, to: []person{alice}, cc: []person{clara}, subject: "Re: Website for the bakery",
			text:   "> Could you draw a first page?\n\nWith pleasure. Two questions:\n\n1. Does she have photographs, or shall I take some on Thursday?\n2. Is the form to send her a mail, or fill a list?\n\nBob\n",
			copies: []Copy{filed(Bob, "Sent"), inboxOf(Alice, answered)}},
		{key: "bakery3", replyTo: "bakery2", age: 8*day + 22*hour, from: clara, to: []person{bob}, cc: []person{alice}, subject: "SV: Website for the bakery",
			text:   "Hej båda två!\n\nPhotographs: please take some, the ones I have are from my phone and the light is awful.\nThe form: a mail is best. I read mail at five in the morning, while the ovens warm up.\n\nHälsningar,\nClara\n",
			copies: []Copy{inboxOf(Bob, answered), inboxOf(Alice, seen)}},
		{key: "bakery4", replyTo: "bakery3", age: 6*day + 5*hour, from: bob, to: []person{clara, alice}, subject: "Re: Website for the bakery",
			text:   "Here is the first draft, as a picture. The colours are taken from your shop's door.\n\nBob\n",
			html:   "<p>Here is the first draft. The colours are taken from your shop's door.</p><p><img src=\"cid:draft.png\" width=\"320\" alt=\"the draft\"></p><p>Bob</p>",
			inline: []file{{"draft.png", "image/png", picture(320, 200, 7)}},
			copies: []Copy{filed(Bob, "Sent"), {Owner: Alice, Folder: bakery, Flags: flagged}}},
		{key: "bakery5", replyTo: "bakery4", age: 6 * day, from: clara, to: []person{bob, alice}, subject: "SV: Website for the bakery",
			text:   "I love it. My mother loves it. The cat walked over the keyboard and I take that for a yes.\n\nClara\n",
			copies: []Copy{inboxOf(Bob, seen), {Owner: Alice, Folder: bakery, Flags: seen}}},
		{key: "bakery6", replyTo: "bakery5", age: 2*day + 2*hour, from: alice, to: []person{bob}, subject: "Re: Website for the bakery",
			text:   "Clara has sent the prices for the year. Can the page go up on Monday?\n\nAlice\n",
			files:  []file{{"prices.csv", "text/csv", []byte("bread,weight (g),price\nrye,1000,4.80\nspelt,750,5.20\nwalnut,500,4.90\nthe long one,400,3.10\n")}},
			copies: between(Alice, mailbox.Flagged, "$Important")},
	}
}

func lunchThread() []letter {
	return []letter{
		{key: "lunch1", age: 26 * hour, from: bob, to: []person{alice}, subject: "Lunch on Friday?",
			text: "The new noodle place opens on Friday. Half past twelve?\n\nB.\n", copies: between(Bob, answered)},
		{key: "lunch2", replyTo: "lunch1", age: 25 * hour, from: alice, to: []person{bob}, subject: "Re: Lunch on Friday?",
			text: "> Half past twelve?\n\nMake it one o'clock, the library's van comes at noon.\n\nA.\n", copies: between(Alice, answered)},
		{key: "lunch3", replyTo: "lunch2", age: 24*hour + 30*minute, from: bob, to: []person{alice}, subject: "Re: Lunch on Friday?",
			text: "One o'clock it is. I have sent you an invitation, so neither of us forgets.\n", copies: between(Bob, seen)},
		{key: "lunch4", replyTo: "lunch3", age: 24 * hour, from: bob, to: []person{alice}, subject: "Invitation: lunch, Friday 13:00",
			text: "Lunch, Friday at 13:00, Noodle House, Quay Street 4\n", raw: invitation, copies: between(Bob, 0)},
		{key: "draft1", age: 40 * minute, from: alice, to: []person{bob}, subject: "Ideas for the fair",
			text:   "Things we could show at the fair:\n\n- the oven, in a film\n- bread to try (how much?)\n- \n",
			copies: []Copy{{Owner: Alice, Folder: "Drafts", Flags: mailbox.Seen | mailbox.Draft}}},
	}
}

func familyMail() []letter {
	return []letter{
		{key: "choir", age: 3*day + 7*hour, from: clara, to: []person{alice}, subject: "Choir rehearsal, recorded",
			text:   "The whole of Tuesday's rehearsal, as sound (a few megabytes). Listen to the end: we nearly got it right.\n\nClara\n",
			files:  []file{{"rehearsal.wav", "audio/wav", melody()}},
			copies: []Copy{inboxOf(Alice, seen)}},
		{key: "photos", age: 20*day + 4*hour, from: clara, to: []person{alice, bob}, subject: "Photographs from the lake 🏞️",
			text: "Two from the lake. The third has my thumb on it.\n",
			files: []file{{"lake-1.png", "image/png", picture(480, 320, 1)}, {"lake-2.png", "image/png", picture(480, 320, 2)},
				{"Badestelle am See – früh.png", "image/png", picture(240, 160, 3)}},
			copies: []Copy{{Owner: Alice, Folder: family, Flags: seen}, inboxOf(Bob, seen)}},
		{key: "recipe", age: 33 * day, from: alice, to: []person{bob}, subject: "Grandmother's plum cake",
			text:   "As promised.\n\n  1 kg plums\n  300 g flour\n  150 g butter\n  100 g sugar, and some for the top\n  20 g yeast\n  1/8 l milk\n\nLet it rise for an hour, in the warm. Bake at 180 °C until the neighbours come.\n",
			copies: []Copy{filed(Alice, "Sent"), {Owner: Bob, Folder: "Archive", Flags: flagged, Keywords: []string{"recipe"}}}},
		{key: "card", age: 12 * day, from: bob, to: []person{alice}, subject: "My new telephone number",
			text: "It is on the card.\n\nBob\n",
			files: []file{{"bob.vcf", "text/vcard",
				[]byte("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Bob Tanaka\r\nN:Tanaka;Bob;;;\r\nEMAIL:bob@demo.test\r\nTEL;TYPE=cell:+44 20 7946 0018\r\nEND:VCARD\r\n")}},
			copies: between(Bob, seen)},
		{key: "trash1", age: 15 * day, from: bob, to: []person{alice}, subject: "Test",
			text: "test\n", copies: []Copy{filed(Bob, "Sent"), filed(Alice, "Trash")}},
	}
}

package demo

// scripts are mails in many writing systems, right-to-left ones too, some in the
// encodings of their time.
func scripts() []letter {
	to := []person{alice}
	return []letter{
		{key: "ar", age: 5*day + 2*hour, from: noor, to: to, subject: "موعد المعرض يوم الخميس",
			text:   "مرحباً أليس،\n\nالمعرض يبدأ يوم الخميس في الساعة 10:30 صباحاً، في القاعة رقم 3.\nسأنتظرك عند الباب (Gate B).\n\nمع التحية،\nنور\n",
			html:   "<html dir=\"rtl\"><body><p>مرحباً أليس،</p><p>المعرض يبدأ يوم الخميس في الساعة <b>10:30</b> صباحاً، في القاعة رقم 3.</p><p>مع التحية،<br>نور</p></body></html>",
			copies: []Copy{inboxOf(Alice, seen)}},
		{key: "he", age: 4*day + 9*hour, from: tamar, to: to, subject: "מתכון לחלה",
			text: "שלום אליס,\n\nהנה המתכון: 500 גרם קמח, 2 ביצים, 7 גרם שמרים.\nלאפות ב-180 מעלות, 35 דקות.\n\nתמר\n", copies: []Copy{inboxOf(Alice, 0)}},
		{key: "ja", age: 7 * day, from: kenji, to: to, subject: "会議の資料について", charset: "iso-2022-jp",
			text: "アリスさん\n\nお世話になっております。佐藤です。\n来週の会議の資料をお送りします。ご確認ください。\n\n佐藤 健二\n", copies: []Copy{inboxOf(Alice, answered)}},
		{key: "ja-reply", replyTo: "ja", age: 6*day + 20*hour, from: alice, to: []person{kenji}, subject: "Re: 会議の資料について",
			text: "佐藤様\n\nありがとうございます。確認しました。\n\nアリス\n", copies: []Copy{filed(Alice, "Sent")}},
		{key: "zh", age: 10 * day, from: meiling, to: to, subject: "下周的样品", charset: "gb18030",
			text: "爱丽丝：\n\n样品已经寄出，预计下周三到达。收到后请告诉我。\n\n美玲\n", copies: []Copy{inboxOf(Alice, seen)}},
		{key: "ko", age: 11 * day, from: minseo, to: to, subject: "사진 전시회 초대", charset: "euc-kr",
			text: "앨리스 님,\n\n다음 주 토요일 사진 전시회에 초대합니다. 오후 두 시에 시작합니다.\n\n김민서 드림\n", copies: []Copy{inboxOf(Alice, seen)}},
		{key: "ru", age: 14 * day, from: dmitri, to: []person{bob}, subject: "Расписание поездов", charset: "koi8-r",
			text: "Здравствуйте, Боб!\n\nПоезд отправляется в 8:15, прибывает в 14:40. Билеты во вложении.\n\nДмитрий\n", copies: []Copy{inboxOf(Bob, seen)}},
		{key: "el", age: 16 * day, from: eleni, to: []person{alice, bob}, subject: "Λάδι από τη φετινή σοδειά", charset: "iso-8859-7",
			text: "Καλημέρα!\n\nΤο νέο λάδι είναι έτοιμο. Πόσα λίτρα να κρατήσω;\n\nΕλένη\n", copies: []Copy{inboxOf(Alice, seen), inboxOf(Bob, 0)}},
		{key: "hi", age: 18 * day, from: priya, to: to, subject: "दीपावली की शुभकामनाएँ ✨",
			text: "प्रिय ऐलिस,\n\nआपको और आपके परिवार को दीपावली की हार्दिक शुभकामनाएँ!\n\nप्रिया\n", copies: []Copy{{Owner: Alice, Folder: family, Flags: flagged}}},
		{key: "fr", age: 19 * day, from: person{"Zoé Lefèvre", "zoe@atelier.example", zoneOf(1)}, to: to, subject: "Devis n° 42 — « réparation »", charset: "windows-1252",
			text: "Bonjour Alice,\n\nVoici le devis : 120 € pour la réparation, délai « une semaine ».\n\nZoé\n", copies: []Copy{{Owner: Alice, Folder: receipts, Flags: seen}}},
		{key: "mixed", age: 21 * day, from: clara, to: []person{alice, bob}, subject: "Grüße, приветы, 挨拶, تحيات",
			text: "One greeting from each of us:\n\nGrüß Gott · Привет · こんにちは · 안녕하세요 · مرحبا · שלום · नमस्ते · สวัสดี · Γειά σου\n", copies: []Copy{inboxOf(Alice, seen), inboxOf(Bob, seen)}},
	}
}

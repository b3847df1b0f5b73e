package confusable

// table lists characters beside what they look like, Latin letters and digits in lower case, by script: those of UTS 39's data
// (confusables.txt, version 17.0.0) that stand for one to three of these, and that NFKC and lower case don't lead to anyway. Characters
// written from right to left are left out: nobody takes them for Latin ones within a word.
const table = "" +
	"Ꝛ2 Ƨ2 Ɜ3 Ȝ3 Ʒ3 Ꝫ3 Ƽ5 ȣ8 Ȣ8 Ꝯ9 ɑa ꜳaa Ꜳaa æae Æae ꜵao Ꜵao ꜷau Ꜷau ꜹav ꜻav Ꜹav Ꜻav ꜽay Ꜽay Ƅb " + // Latin
	"Ꞵb ᴄc ʣdz ꬲe ꬵf ꞙf ƒf ſf ẝf Ꞙf ɡg ᶃg ƍg ıi ɪi ɩi Ʝj Ɩl ǀl Ĳlj ǁll ʪls ʫlz ᴏo ᴑo ꬽo œoe Œoe " + // Latin
	"ꝏoo Ꝏoo þp ƿp ꭇr ꭈr Ʀr ꜱs ƽs Ꜩt3 ꝷtf ʦts ꞟu ᴜu ꭎu ꭒu ʋu ᵫue ꭣuo ᴠv ɯw ᴡw Ꭓx ɣy ᶌy ʏy ỿy ꭚy " + // Latin
	"ᴢz " + // Latin
	"Ϩ2 Ⲝ3 Ⳅ3 Ⳍ3 ⳓ6 Ⳓ6 Ϭ6 Ⳝ6 ⳋ9 Ⳋ9 Ⲃb ⲥc Ⲥc Ⲏh ⲓi Ⲕk Ⲓl Ⳑl Ⲙm Ⲛn ⲟo ϭo Ⲟo ⲣp ⳏp Ⲣp Ⳏp ⲅr Ⲧt ⲽw " + // Coptic
	"Ⲭx ⲩy Ⲩy " + // Coptic
	"Ꙅ2 З3 Ӡ3 б6 аa Аa ӕae Ӕae Ьb Вb Ыbl сc Сc ԁd еe ҽe Еe Ԍg һh Нh іi ꙇi јj Јj Кk Іl ӏl Ӏl Юlo " + // Cyrillic
	"Мm оo Оo ꚙoo Ꚙoo рp Рp ԛq гr ѕs Ѕs Тt ѵv Ѵv ѡw шw ԝw Ԝw хx Хx уy үy Уy Үy " + // Cyrillic
	"३3 ०o " + // Devanagari
	"૩3 ૦o " + // Gujarati
	"Ꮞ4 Ꮾ6 Ꭺa Ꮟb Ᏼb ꮯc Ꮯc Ꮷd Ꭰd Ꭼe Ꮐg Ᏻg Ꮒh Ꮋh ꭵi Ꭵi Ꭻj Ꮶk Ꮮl Ꮇm Ꮲp ꮁr Ꭱr Ꮢr ꮪs Ꮥs Ꮪs Ꭲt ꮩv Ꮩv " + // Cherokee
	"ꮃw Ꮃw Ꮤw Ꭹy Ꮍy ꮓz Ꮓz " + // Cherokee
	"୨9 ୦o ଠo " + // Oriya
	"৪8 ৭9 ০o " + // Bengali
	"੪8 ੧9 ੦o " + // Gurmukhi
	"൭9 ൦o ഠo ടs " + // Malayalam
	"αa Αa Βb ϲc Ϲc Εe Ϝf Ηh ιi ιi ͺi ϳj Ϳj Κk Ιl Μm Ϻm Νn οo σo Οo ρp ϱp ϸp Ρp ᴦr Τt υu νv Χx " + // Greek
	"γy Υy ϒy Ζz " + // Greek
	"ꓮa ꓐb ꓚc ꓒd ꓓd ꓰe ꓝf ꓖg ꓧh ꓙj ꓗk ꓲl ꓡl ꓟm ꓠn ꓳo ꓑp ꓣr ꓢs ꓔt ꓴu ꓦv ꓪw ꓫx ꓬy ꓜz " + // Lisu
	"ငc ၚc ၀o ဝo " + // Myanmar
	"ⴹe ⵏl ⵔo ⵕq ⴸv ⵝx " + // Tifinagh
	"քf ցg հh ւi ոn ռn օo Օo գq զq Տs սu Սu աw " + // Armenian
	"ᛕk ᛁl ᛖm ᚷx " + // Runic
	"۱l ۵o ۷v " + // Extended
	"౦o " + // Telugu
	"೦o " + // Kannada
	"௦o " + // Tamil
	"๐o " + // Thai
	"໐o " + // Lao
	"០o " + // Khmer
	"ჿo ყy " + // Georgian
	"ዐo ሀu " // Ethiopic

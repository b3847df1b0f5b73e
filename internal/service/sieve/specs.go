package sieve

import "sync"

// headerArgs and others say what arguments calls have.
var (
	headerArgs   = []positional{{"header names", aList}, {"key list", aList}}
	addressArgs  = []positional{{"header list", aList}, {"key list", aList}}
	envelopeArgs = []positional{{"envelope part", aList}, {"key list", aList}}
	stringArgs   = []positional{{"source", aList}, {"key list", aList}}
	flagArgs     = []positional{{"variable name", aString}, {"list of flags", aList}}
	flagTestArgs = []positional{{"variable list", aList}, {"list of flags", aList}}
	one          = func(what string, kind argKind) []positional { return []positional{{what, kind}} }
	storeTags    = []tag{
		{name: "copy", exts: []string{"copy"}}, {name: "create", exts: []string{"mailbox"}}, {name: "flags", value: aList, exts: []string{"imap4flags"}},
		{name: "mailboxid", value: aString, exts: []string{"mailboxid"}}, {name: "specialuse", value: aString, exts: []string{"special-use"}},
	}
	keepTags = []tag{{name: "flags", value: aList, exts: []string{"imap4flags"}}}
)

// tables are made when they are first asked for: they lead back to the compiler, which looks into them.
var tables struct {
	once            sync.Once
	commands, tests map[string]*spec
}

func fillTables() { tables.commands, tables.tests = makeCommandSpecs(), makeTestSpecs() }

func commandSpecs() map[string]*spec { tables.once.Do(fillTables); return tables.commands }
func testSpecs() map[string]*spec    { tables.once.Do(fillTables); return tables.tests }

// makeCommandSpecs are all commands, if, elsif and else left out.
func makeCommandSpecs() map[string]*spec {
	return map[string]*spec{
		"require":  {args: one("capabilities", aList), command: (*compiler).require},
		"stop":     {command: func(*compiler, *args) command { return &stopCommand{errStop} }},
		"keep":     {tags: keepTags, command: (*compiler).keep},
		"discard":  {command: func(*compiler, *args) command { return discard{} }},
		"fileinto": {exts: []string{"fileinto"}, tags: storeTags, args: one("mailbox", aString), command: (*compiler).fileInto},
		"redirect": {tags: []tag{flag("copy", "copy"), flag("list", "extlists")}, args: one("address", aString), command: (*compiler).redirect},
		"reject":   {exts: []string{"reject"}, args: one("reason", aString), command: (*compiler)(nil).reject(Reject)},
		"ereject":  {exts: []string{"ereject"}, args: one("reason", aString), command: (*compiler)(nil).reject(Ereject)},
		"set":      {exts: []string{"variables"}, tags: modifierTags, args: []positional{{"name", aString}, {"value", aString}}, command: (*compiler).set},
		"setflag":  {exts: []string{"imap4flags"}, args: flagArgs, optional: 1, command: (*compiler)(nil).flagCommand(setFlag)},
		"addflag":  {exts: []string{"imap4flags"}, args: flagArgs, optional: 1, command: (*compiler)(nil).flagCommand(addFlag)},
		"removeflag": {
			exts: []string{"imap4flags"}, args: flagArgs, optional: 1, command: (*compiler)(nil).flagCommand(removeFlag),
		},
		"vacation":     {exts: []string{"vacation"}, tags: tagsOf(vacationTags, fccTags), args: one("reason", aString), command: (*compiler).vacation},
		"notify":       {exts: []string{"enotify"}, tags: tagsOf(notifyTags, fccTags), args: one("method", aString), command: (*compiler).notify},
		"include":      {exts: []string{"include"}, tags: includeTags, args: one("script name", aString), command: (*compiler).include},
		"return":       {exts: []string{"include"}, command: func(*compiler, *args) command { return &stopCommand{errReturn} }},
		"global":       {exts: []string{"include"}, args: one("variable names", aList), command: (*compiler).global},
		"addheader":    {exts: []string{"editheader"}, tags: []tag{flag("last")}, args: []positional{{"field name", aString}, {"value", aString}}, command: (*compiler).addHeader},
		"deleteheader": {exts: []string{"editheader"}, tags: tagsOf(deleteTags, matchTags), args: []positional{{"field name", anything}, {"value patterns", aList}}, optional: 1, command: (*compiler).deleteHeader},
		"foreverypart": {exts: []string{"foreverypart"}, tags: []tag{{name: "name", value: aString}}, block: true, command: (*compiler).everyPart},
		"break":        {exts: []string{"foreverypart"}, tags: []tag{{name: "name", value: aString}}, command: (*compiler).breakCommand},
		"extracttext":  {exts: []string{"extracttext"}, tags: tagsOf([]tag{{name: "first", value: aNumber}}, modifierTags), args: one("variable name", aString), command: (*compiler).extractText},
		"replace":      {exts: []string{"replace"}, tags: replaceTags, args: one("replacement", aString), command: (*compiler).replace},
		"enclose":      {exts: []string{"enclose"}, tags: []tag{{name: "subject", value: aString}, {name: "headers", value: aList}}, args: one("text", aString), command: (*compiler).enclose},
		"error": {exts: []string{"ihave"}, args: one("message", aString), command: func(c *compiler, a *args) command {
			return &errorCommand{a.call.Pos, c.argText(a, 0)}
		}},
	}
}

// makeTestSpecs are all tests.
func makeTestSpecs() map[string]*spec {
	return map[string]*spec{
		"true":  {test: func(*compiler, *args) test { return truth(true) }},
		"false": {test: func(*compiler, *args) test { return truth(false) }},
		"not": {tests: oneTest, test: func(_ *compiler, a *args) test {
			if len(a.tests) != 1 {
				return nil
			}
			return not{a.tests[0]}
		}},
		"allof":   {tests: manyTests, test: func(_ *compiler, a *args) test { return allOf(a.tests) }},
		"anyof":   {tests: manyTests, test: func(_ *compiler, a *args) test { return anyOf(a.tests) }},
		"header":  {tags: tagsOf(matchTags, indexTags, mimeTags, optTags), args: headerArgs, test: (*compiler).headerTest},
		"exists":  {tags: mimeTags, args: one("header names", aList), test: (*compiler).existsTest},
		"size":    {tags: sizeTags, test: (*compiler).sizeTest},
		"address": {tags: tagsOf(matchTags, partTags, indexTags, mimeTags), args: addressArgs, test: (*compiler).addressTest},
		"envelope": {
			exts: []string{"envelope"}, tags: tagsOf(matchTags, partTags), args: envelopeArgs, test: (*compiler).envelopeTest,
		},
		"string":      {exts: []string{"variables"}, tags: matchTags, args: stringArgs, test: (*compiler).stringTest},
		"hasflag":     {exts: []string{"imap4flags"}, tags: matchTags, args: flagTestArgs, optional: 1, test: (*compiler).hasFlag},
		"body":        {exts: []string{"body"}, tags: tagsOf(matchTags, bodyTags), args: one("key list", aList), test: (*compiler).bodyTest},
		"date":        {exts: []string{"date"}, tags: tagsOf(matchTags, dateTags, indexTags), args: []positional{{"header name", aString}, {"date part", aString}, {"key list", aList}}, test: (*compiler).dateTest},
		"currentdate": {exts: []string{"date"}, tags: tagsOf(matchTags, dateTags[:1]), args: []positional{{"date part", aString}, {"key list", aList}}, test: (*compiler).currentDate},
		"environment": {exts: []string{"environment"}, tags: matchTags, args: []positional{{"name", aString}, {"key list", aList}}, test: (*compiler).environmentTest},
		"ihave":       {exts: []string{"ihave"}, args: one("capabilities", aList), test: (*compiler).ihave},
		"mailboxexists": {exts: []string{"mailbox"}, args: one("mailbox names", aList), test: func(c *compiler, a *args) test {
			t := &mailboxExists{names: c.argList(a, 0)}
			for i := range t.names {
				c.checkMailbox(&t.names[i])
			}
			return t
		}},
		"mailboxidexists": {exts: []string{"mailboxid"}, args: one("mailbox identifiers", aList), test: func(c *compiler, a *args) test {
			return &mailboxExists{names: c.argList(a, 0), byID: true}
		}},
		"specialuse_exists": {exts: []string{"special-use"}, args: []positional{{"mailbox", aString}, {"special uses", aList}}, optional: 1, test: (*compiler).specialUseExists},
		"metadata":          {exts: []string{"mboxmetadata"}, tags: matchTags, args: []positional{{"mailbox", aString}, {"annotation", aString}, {"key list", aList}}, test: (*compiler)(nil).metadata(false)},
		"metadataexists":    {exts: []string{"mboxmetadata"}, args: []positional{{"mailbox", aString}, {"annotations", aList}}, test: (*compiler)(nil).metadataExists(false)},
		"servermetadata":    {exts: []string{"servermetadata"}, tags: matchTags, args: []positional{{"annotation", aString}, {"key list", aList}}, test: (*compiler)(nil).metadata(true)},
		"servermetadataexists": {
			exts: []string{"servermetadata"}, args: one("annotations", aList), test: (*compiler)(nil).metadataExists(true),
		},
		"valid_notify_method":      {exts: []string{"enotify"}, args: one("methods", aList), test: func(c *compiler, a *args) test { return validMethod(c.argList(a, 0)) }},
		"notify_method_capability": {exts: []string{"enotify"}, tags: matchTags, args: []positional{{"method", aString}, {"capability", aString}, {"key list", aList}}, test: (*compiler).methodCapability},
		"valid_ext_list":           {exts: []string{"extlists"}, args: one("lists", aList), test: func(c *compiler, a *args) test { return validList(c.argList(a, 0)) }},
		"duplicate":                {exts: []string{"duplicate"}, tags: duplicateTags, test: (*compiler).duplicate},
		"spamtest":                 {exts: []string{"spamtest", "spamtestplus"}, tags: tagsOf(matchTags, []tag{flag("percent", "spamtestplus")}), args: one("value", aString), test: (*compiler).spamTest},
		"virustest":                {exts: []string{"virustest"}, tags: matchTags, args: one("value", aString), test: (*compiler).virusTest},
	}
}

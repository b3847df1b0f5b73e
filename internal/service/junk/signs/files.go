package signs

import (
	"bytes"
	"slices"
	"strings"

	"postroad/internal/format/archive"
	"postroad/internal/format/message"
)

// programs are the endings of files that do something when they are opened.
var programs = [...]string{
	"app", "apk", "appx", "bat", "chm", "cmd", "com", "command", "cpl", "desktop", "dll", "dmg", "exe", "gadget", "hta", "img", "inf", "iso", "jar",
	"js", "jse", "lnk", "mde", "msc", "msi", "msix", "msp", "mst", "one", "pif", "pkg", "ps1", "psm1", "py", "pyw", "reg", "scf", "scr", "sct", "settingcontent-ms",
	"sh", "sys", "url", "vb", "vbe", "vbs", "vhd", "vhdx", "wsc", "wsf", "wsh", "xll",
}

// documents are the endings that programs hide behind.
var documents = [...]string{"csv", "doc", "docx", "gif", "htm", "html", "jpeg", "jpg", "mp3", "mp4", "odt", "pdf", "png", "ppt", "pptx", "rtf", "tif", "txt", "xls", "xlsx", "xml", "zip"}

// macros are the endings of documents that may hold programs, by their name.
var macros = [...]string{"docm", "dotm", "ppam", "potm", "ppsm", "pptm", "sldm", "xlam", "xlsb", "xlsm", "xltm"}

// pages are the endings of files that browsers open.
var pages = [...]string{"htm", "html", "mht", "mhtml", "shtml", "svg", "xht", "xhtml"}

// containers are the endings of files that have others, or macros, in them.
var containers = [...]string{"doc", "docx", "dot", "dotx", "pot", "potx", "pps", "ppsx", "ppt", "pptx", "xls", "xlsx", "xlt", "xltx", "zip"}

// ending is what follows a file name's last dot, in lower case; base is what is before it. Dots and blanks at its end don't count: Windows
// leaves them out.
func ending(name string) (base, ext string) {
	name = strings.TrimRight(strings.ToLower(name), ". \u00a0")
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return name, ""
	}
	return name[:i], strings.TrimSpace(name[i+1:])
}

func has(sorted []string, ext string) bool { return slices.Contains(sorted, ext) }

// file looks at an attached file.
func (m *Message) file(p *message.Part, name string) {
	if turned(name) {
		m.all.add(NameHidden, Danger, name)
	}
	base, ext := ending(name)
	if has(programs[:], ext) {
		m.program(base, name, FileProgram, Warning)
	}
	switch {
	case has(macros[:], ext):
		m.all.add(FileMacro, Warning, name)
	case has(pages[:], ext) || p.Type == "text" && p.Subtype == "html":
		m.page(p, name)
	case has(containers[:], ext) && !p.IsMessage(): // whatever it is said to be: people's programs go by its name
		m.inside(p, name)
	case p.Type == "text" || p.Type == "image" || p.Type == "audio" || p.Type == "video" || p.IsMessage():
	default:
		m.inside(p, name)
	}
}

// program notes a program called name.
func (m *Message) program(base, name string, k Kind, s Severity) {
	if _, before := ending(base); before != base && has(documents[:], before) || strings.Contains(name, "    ") {
		m.all.add(FileDouble, Danger, name)
	}
	m.all.add(k, s, name)
}

// page looks at an attached file that a browser opens.
func (m *Message) page(p *message.Part, name string) {
	m.all.add(FileHTML, Notice, name)
	body := m.read(p)
	m.tags(body, func(t tag, _ []byte) {
		switch t.name {
		case "input":
			if strings.EqualFold(t.attr("type"), "password") {
				m.all.add(FileForm, Danger, name)
			}
		case "script":
			m.all.add(FileForm, Warning, name)
		}
	})
}

// head is how much of a file's beginning is looked at.
const head = 16 << 10

// vbaProject is how a stream with macros is called in the directory of an old Office document ([MS-OVBA] section 2.2.1), in UTF-16.
var vbaProject = []byte("_\x00V\x00B\x00A\x00_\x00P\x00R\x00O\x00J\x00E\x00C\x00T\x00")

// inside looks into archives and documents.
func (m *Message) inside(p *message.Part, name string) {
	b := m.raw(p, head)
	switch {
	case archive.IsZIP(b), strings.HasSuffix(strings.ToLower(name), ".zip"): // something may stand before it
		m.archive(p, name)
	case bytes.HasPrefix(b, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")): // [MS-CFB] section 2.2
		if bytes.Contains(b, vbaProject) || bytes.Contains(m.tail(p, archive.Tail), vbaProject) {
			m.all.add(FileMacro, Warning, name)
		}
	case bytes.HasPrefix(b, []byte("MZ")) && p.Type == "application":
		base, ext := ending(name)
		if !has(programs[:], ext) { // a program under another name
			m.program(base, name, FileProgram, Danger)
		}
	}
}

// archive looks at the names in an archive, which may be an Office document.
func (m *Message) archive(p *message.Part, name string) {
	for _, e := range archive.Names(m.tail(p, archive.Tail)) {
		if e.Encrypted {
			m.all.add(ArchiveLocked, Notice, name)
		}
		if turned(e.Name) {
			m.all.add(NameHidden, Danger, e.Name)
		}
		base, ext := ending(e.Name)
		switch {
		case strings.HasSuffix(strings.ToLower(e.Name), "vbaproject.bin"):
			m.all.add(FileMacro, Warning, name)
		case ext == "bin" || ext == "sys" || ext == "dll": // as in installers and models
		case has(programs[:], ext) || has(macros[:], ext):
			severity := Warning
			if e.Encrypted {
				severity = Danger
			}
			m.program(base, e.Name, ArchiveProgram, severity)
		}
	}
}

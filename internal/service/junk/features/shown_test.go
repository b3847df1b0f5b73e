package features

import (
	"strings"
	"testing"
)

// TestShown: what people see is looked at, however it is made to look as if it were hidden.
func TestShown(t *testing.T) {
	const page = "From: ann@example.org\nSubject: x\nContent-Type: text/html\n\n"
	for name, c := range map[string]string{
		"last declaration counts":           `<div style="display:none;display:block">seen</div>`,
		"size of an element inside":         `<td style="font-size:0px;padding:9px"><div style="font-size:13px">seen</div></td>`,
		"visibility of an element inside":   `<div style="visibility:hidden"><b style="visibility:visible">seen</b></div>`,
		"no height, but nothing is cut":     `<div style="max-height:0">seen</div>`,
		"paragraphs end where blocks begin": `<p style="display:none"><div>seen</div>`,
		"paragraphs end at the next":        `<p style="display:none">x<p>seen`,
		"cells end at the next":             `<table><tr><td style="display:none">x<td>seen</table>`,
		"rows end at the next":              `<table><tr style="display:none"><td>x<tr><td>seen</table>`,
		"items end at the next":             `<ul><li style="display:none">x<li>seen</ul>`,
		"void elements":                     `<wbr style="display:none">seen`,
		"void elements, another":            `<source style="display:none">seen`,
		"elements that end at once":         `<svg style="display:none"/>seen`,
		"empty comments":                    `<!-->seen`,
		"other empty comments":              `<!--->seen`,
		"comments that end otherwise":       `<!-- x --!>seen`,
		"comments of another kind":          `<!x a=">seen <b x=">`,
		"instructions":                      `<?x a=">seen <b x=">`,
		"ends of nothing":                   `</ a=">seen <b x=">`,
		"a quote within a value":            `<b a=c">seen <b x=">`,
		"a quote that begins a name":        `<b ="> seen <b x="`,
		"a style that is a title":           `<div title=" style=display:none ">seen</div>`,
		"the first of two styles":           `<div style="color:red" style="display:none">seen</div>`,
	} {
		t.Run(name, func(t *testing.T) { wants(t, page+c, "word: seen") })
	}
	for name, c := range map[string]string{
		"capitals":             `<div STYLE="DISPLAY:NONE">unseen</div>`,
		"any case":             `<div stYLe="Display : None">unseen</div>`,
		"blanks":               "<div style = 'display\n:\tnone'>unseen</div>",
		"important":            `<div style="display:none!important;display:block">unseen</div>`,
		"no height and cut":    `<div style="overflow:hidden;max-height:0px">unseen</div>`,
		"no height, cut later": `<div style="max-height:0;overflow: hidden">unseen</div>`,
		"inside of something":  `<div style="display:none"><div style="font-size:13px;display:block;visibility:visible">unseen</div></div>`,
		"items in a list":      `<ul style="display:none"><li>unseen<li>unseen</ul>`,
	} {
		t.Run(name, func(t *testing.T) { wants(t, page+c, "!word: unseen") })
	}
}

// TestLinksAsShown: a link leads where browsers go, not where another attribute's text says.
func TestLinksAsShown(t *testing.T) {
	const page = "From: ann@example.org\nSubject: x\nContent-Type: text/html\n\n"
	for _, tag := range []string{
		`<a title="href=https://good.example/" href="https://evil.example/">x</a>`, `<a title=" href=https://good.example/ " href="https://evil.example/">x</a>`,
		`<a href="https://evil.example/" href="https://good.example/">x</a>`, `<a x=y"><a href="https://evil.example/">x</a><b title="">`,
	} {
		wants(t, page+tag, "link to: evil.example", "!link to: good.example")
	}
}

// TestDrawnAbove: a line drawn across hides no more than a list writes below a message.
func TestDrawnAbove(t *testing.T) {
	line := strings.Repeat("-", 30) + "\n"
	spam := strings.Repeat("buy these pills at https://evil.example/ today\n", 8)
	wants(t, listHead+"\n"+line+spam, "words: these pills", "link to: evil.example")
	wants(t, listHead+"\nhello there\n"+line+spam, "words: these pills", "link to: evil.example")
	wants(t, listHead+"Content-Type: text/html\n\n<!-- "+strings.Repeat("nothing ", 100)+" -->\n"+line+spam, "words: these pills")
}

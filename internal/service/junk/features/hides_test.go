package features

import "testing"

// TestHides: only what makes text invisible hides it, wherever it stands in a style.
func TestHides(t *testing.T) {
	for style, want := range map[string]bool{
		"display:none": true, "color:red;display: None": true, "visibility:hidden": true, "font-size:0": true, "font-size:0px;": true, "font-size:1px": true,
		"opacity:0.0": true, "opacity:0": true, "max-height:0;overflow:hidden": true, "overflow:hidden;max-height:0;min-height:0": true, "font-size:0.01em": true, "display:block;display:none": true,
		"": false, ":": false, "display:": false, "display:block": false, "opacity:0.9": false, "line-height:1px": false, "font-size:12px": false,
		"max-height:0": false, "max-height:0;overflow:hidden;min-height:9px": false, "max-height:1px": false, "/*;display:none;*/": false, "background:url(x;display:none)": false,
		"font-family:';display:none'": false, "display:none;all:initial": false, "font-size:0;font:13px serif": false, "display:nonesuch": false, "font-size:0foo": false,
		"display&#58;none": true, `background:url("x;y");display:none`: true, `\;display:none`: false, "display:none;display:block!important": false, "-moz-opacity:0": false, "font-size:\x10": false, "xdisplay:block": false,
	} {
		if hide, _ := looks([]byte(style)); (hide != 0) != want {
			t.Errorf("%q hides: %v", style, !want)
		}
	}
}

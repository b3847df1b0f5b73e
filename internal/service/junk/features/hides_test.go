package features

import "testing"

// TestHides: only what makes text invisible hides it, wherever it stands in a style.
func TestHides(t *testing.T) {
	for style, want := range map[string]bool{
		"display:none": true, "color:red;display: None": true, "visibility:hidden": true, "font-size:0": true, "font-size:0px;": true, "font-size:1px": true,
		"opacity:0.0": true, "opacity:0": true, "max-height:0": true, "font-size:0.01em": true, "display:block;display:none": true,
		"": false, ":": false, "display:": false, "display:block": false, "opacity:0.9": false, "line-height:1px": false, "font-size:12px": false,
		"max-height:1px": false, "-moz-opacity:0": false, "font-size:\x10": false, "xdisplay:block": false,
	} {
		if hides([]byte(style)) != want {
			t.Errorf("%q hides: %v", style, !want)
		}
	}
}

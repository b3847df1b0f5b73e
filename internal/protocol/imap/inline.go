package imap

// inlineSource is the source of a decoder that reads a text which didn't come over the wire: there is no more of it.
type inlineSource struct{}

var errNoMore = &syntaxError{"the text ends too early"}

func (inlineSource) readLine(dst []byte, _ int) ([]byte, error) { return dst, errNoMore }
func (inlineSource) readFull([]byte) error                      { return errNoMore }
func (inlineSource) discard(int64) error                        { return errNoMore }
func (inlineSource) invite() error                              { return errNoMore }

// textLimits are those of such texts, which are short.
var textLimits = Limits{}.withDefaults()

// inlineDecoder returns a decoder for a text, a piece of a command without literals.
func inlineDecoder(text string) *decoder {
	return &decoder{src: inlineSource{}, lim: &textLimits, buf: []byte(text)}
}

package demo

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
)

// picture is a small landscape, another for each seed.
func picture(width, height, seed int) []byte {
	img := image.NewPaletted(image.Rect(0, 0, width, height), landscape(seed))
	for x := range width {
		hill := height/2 + int(float64(height)/8*(math.Sin(float64(x*(seed+2))/90)+math.Sin(float64(x)/37)))
		for y := range height {
			shade := y * 7 / height
			if y > hill {
				shade = 8 + (y-hill)*7/height
			}
			img.SetColorIndex(x, y, uint8(shade))
		}
	}
	var b bytes.Buffer
	png.Encode(&b, img) // a Buffer doesn't fail
	return b.Bytes()
}

// landscape is eight colours of sky and eight of earth.
func landscape(seed int) color.Palette {
	var p color.Palette
	for n := range 8 {
		p = append(p, color.RGBA{uint8(90 + 20*n), uint8(150 + 12*n), uint8(230 - seed*3), 255})
	}
	for n := range 8 {
		p = append(p, color.RGBA{uint8(40 + 8*n + seed*5), uint8(120 - 9*n), uint8(50 + seed*4), 255})
	}
	return p
}

// melody is 40 seconds of two voices, as a WAV file of 3.5 MB: a large mail.
func melody() []byte {
	const rate, seconds = 44100, 40
	notes := []float64{261.6, 293.7, 329.6, 349.2, 392, 392, 440, 440, 440, 440, 392}
	samples := make([]byte, 0, 2*rate*seconds)
	var low, high float64
	for n := range rate * seconds {
		note := notes[n/(rate/2)%len(notes)]
		low, high = low+note/2/rate, high+note/rate
		samples = binary.LittleEndian.AppendUint16(samples, uint16(int16(8000*wave(low)+6000*wave(high))))
	}
	return append(wavHeader(rate, len(samples)), samples...)
}

// wave is a sine's parabola: near enough, and made in no time.
func wave(turns float64) float64 {
	x := turns - math.Floor(turns)
	if x < 0.5 {
		return 16 * x * (0.5 - x)
	}
	return -16 * (x - 0.5) * (1 - x)
}

func wavHeader(rate uint32, size int) []byte {
	h := append([]byte("RIFF"), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(h[4:], uint32(36+size))
	h = append(h, "WAVEfmt "...)
	h = binary.LittleEndian.AppendUint32(h, 16)
	h = append(h, 1, 0, 1, 0) // PCM, one channel
	h = binary.LittleEndian.AppendUint32(h, rate)
	h = binary.LittleEndian.AppendUint32(h, rate*2)
	h = append(h, 2, 0, 16, 0) // bytes and bits of a sample
	h = append(h, "data"...)
	return binary.LittleEndian.AppendUint32(h, uint32(size))
}

// pdf is a document of one line.
func pdf(line string) []byte {
	stream := fmt.Sprintf("BT /F1 24 Tf 72 720 Td (%s) Tj ET", line)
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(stream), stream),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	var at []int
	for n, o := range objects {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", n+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return b.Bytes()
}

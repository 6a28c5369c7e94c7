package explain

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestColours are for a terminal without NO_COLOR.
func TestColours(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminal:", err)
	}
	defer terminal.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if !colourful(terminal, "") || colourful(terminal, "1") || colourful(file, "") || colourful(&bytes.Buffer{}, "") {
		t.Error("colours outside of a terminal, or no colours on one")
	}
	r := &Report{Outcome: Refused, Reason: "no_resource", Insecure: true, Steps: []stepReport{{Step: "read", OK: true}, {Step: "find"}}}
	plain, coloured := &textRenderer{}, &textRenderer{colours: true}
	plain.render(r)
	coloured.render(r)
	if strings.ContainsRune(plain.text.String(), 0x1b) || strings.Count(coloured.text.String(), "\x1b[") < 8 {
		t.Errorf("%q\n%q", plain.text.String(), coloured.text.String())
	}
}

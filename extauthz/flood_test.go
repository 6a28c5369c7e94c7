package extauthz

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/denials"
)

// TestALineThatIsNotWrittenIsNotComposed: beyond the lines of a second, a denial
// costs its count.
func TestALineThatIsNotWrittenIsNotComposed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newDenialLog(slog.New(slog.NewJSONHandler(new(bytes.Buffer), nil)))
		state := &numberedState{State: &State{Resources: new(resource.Table)}}
		req := &request{authority: "nowhere.example.com", path: "/x", method: "GET"}
		v := refuse(reason.NoResource, "")
		for range denials.LinesPerSecond {
			j.write(state, req, v)
		}
		if n := testing.AllocsPerRun(100, func() { j.write(state, req, v) }); n != 0 {
			t.Errorf("%v allocations for a line that is not written", n)
		}
		allowed := &verdict{reason: reason.Allowed}
		if n := testing.AllocsPerRun(100, func() { j.write(state, req, allowed) }); n != 0 {
			t.Errorf("%v allocations for an allow", n)
		}
		time.Sleep(time.Second)
	})
}

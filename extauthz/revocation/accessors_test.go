package revocation

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGiven: a source without a file changes when it is given another list, and
// tells of each.
func TestGiven(t *testing.T) {
	var told []report
	var lines bytes.Buffer
	first := mustParse(t, `{"serial": 1, "revoked": [{"issuer": "https://as.example.com", "sub": "alice"}]}`)
	second := mustParse(t, `{"serial": 2, "revoked": []}`)
	s := NewStaticSource(first, slog.New(slog.NewTextHandler(&lines, nil)), func(serial int64, entries int, ok bool) {
		told = append(told, report{serial, entries, ok})
	})
	if !s.Current().Revokes(usual()) {
		t.Error("the first list is not in force")
	}
	s.Give(second)
	if s.Current() != second {
		t.Error("the second list is not in force")
	}
	if diff := cmp.Diff([]report{{1, 1, true}, {2, 0, true}}, told); diff != "" {
		t.Error(diff)
	}
	if got := strings.Count(lines.String(), "revocations loaded"); got != 2 {
		t.Errorf("told %d times", got)
	}
	NewStaticSource(first, nil, nil).Give(second) // nobody listens
}

func TestFollows(t *testing.T) {
	one, two := mustParse(t, `{"serial": 1, "revoked": []}`), mustParse(t, `{"serial": 2, "revoked": []}`)
	for _, row := range []struct {
		intent      string
		list, other *List
		want        string
	}{
		{"the first", one, nil, ""},
		{"a higher serial", two, one, ""},
		{"a lower one", one, two, "older than 2"},
		{"the same", two, two, "in force with other content"},
	} {
		if err := row.list.Follows(row.other); (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.intent, err)
		}
	}
}

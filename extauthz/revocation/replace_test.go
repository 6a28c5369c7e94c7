package revocation

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReplace: a source without a file changes when its list is replaced, and logs
// and reports each list.
func TestReplace(t *testing.T) {
	var reports []report
	var lines bytes.Buffer
	first := mustParse(t, `{"serial": 1, "revoked": [{"issuer": "https://as.example.com", "sub": "alice"}]}`)
	second := mustParse(t, `{"serial": 2, "revoked": []}`)
	s := NewStaticSource(first, slog.New(slog.NewTextHandler(&lines, nil)), func(serial int64, entries int, ok bool) {
		reports = append(reports, report{serial, entries, ok})
	})
	if !s.Current().Revokes(usual()) {
		t.Error("the first list is not in force")
	}
	s.Replace(second)
	if s.Current() != second {
		t.Error("the second list is not in force")
	}
	if diff := cmp.Diff([]report{{1, 1, true}, {2, 0, true}}, reports); diff != "" {
		t.Error(diff)
	}
	if got := strings.Count(lines.String(), "revocations loaded"); got != 2 {
		t.Errorf("logged %d times", got)
	}
	NewStaticSource(first, nil, nil).Replace(second) // without a log and a hook
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

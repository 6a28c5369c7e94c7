package gobench

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	got := Parse(`goos: linux
BenchmarkColdCheck/RS256-16         	     100	  1500 ns/op	  1.25 x-bare	 10 allocs/op
BenchmarkColdCheck/RS256-16         	     100	  1700 ns/op	  1.35 x-bare	 10 allocs/op
BenchmarkHotAnswer 	 9 x ns/op
PASS
`)
	want := map[string]Values{
		"ColdCheck/RS256": {"ns/op": {1500, 1700}, "x-bare": {1.25, 1.35}, "allocs/op": {10, 10}},
		"HotAnswer":       {},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

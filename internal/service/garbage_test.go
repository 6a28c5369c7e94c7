package service

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/config"
)

// TestCollectOften: a load restores what was set, and leaves a collector alone that
// is off or runs more often.
func TestCollectOften(t *testing.T) {
	first := debug.SetGCPercent(100)
	defer debug.SetGCPercent(first)
	current := func() int {
		percent := debug.SetGCPercent(100)
		debug.SetGCPercent(percent)
		return percent
	}
	for _, row := range []struct{ before, during int }{{400, garbageOfLoads}, {100, garbageOfLoads}, {10, 10}, {-1, -1}} {
		debug.SetGCPercent(row.before)
		restore := collectOften()
		if got := current(); got != row.during {
			t.Errorf("GOGC %d: %d during a load, want %d", row.before, got, row.during)
		}
		restore()
		if got := current(); got != row.before {
			t.Errorf("GOGC %d: %d after a load", row.before, got)
		}
	}
}

// TestTheFirstRevisionIsLetGo once another is in force: its table may be large.
func TestTheFirstRevisionIsLetGo(t *testing.T) {
	f := newFolder(t)
	f.configure(t, "")
	r := begin(t, f.path("doorward.yaml"))
	gone := make(chan struct{})
	runtime.AddCleanup(r.current.Load(), func(gone chan struct{}) { close(gone) }, gone)
	f.configure(t, "clock_skew: 1s")
	r.again(t)
	for range 100 {
		runtime.GC()
		select {
		case <-gone:
			return
		default:
			runtime.Gosched()
		}
	}
	t.Error("a reload keeps the revision of the start")
}

// TestOnlyALargeConfigurationCollectsOften: a reload of a small one leaves the
// collector to the traffic.
func TestOnlyALargeConfigurationCollectsOften(t *testing.T) {
	for count, large := range map[int]bool{1: false, manyResources - 1: false, manyResources: true} {
		var specs []resource.Spec
		for i := range count {
			specs = append(specs, resource.Spec{URI: fmt.Sprintf("https://h%d.example/mcp", i), Issuers: []string{"https://as.example.com"}})
		}
		table, problems := resource.NewTable(specs, nil)
		if table == nil {
			t.Fatal(problems)
		}
		s := new(Service)
		s.current.Store(&Revision{Config: &config.Config{Resources: table}})
		if got := s.isLarge(); got != large {
			t.Errorf("%d resources: %t", count, got)
		}
	}
}

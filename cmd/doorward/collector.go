package main

import (
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// collector is how the garbage collector works. A Check leaves little behind,
// beside caches that have bounds of their own: collecting a quarter as often as
// Go does by itself takes a fifth off the processor time of a Check, and the
// limit keeps a heap that may grow to five times its live size inside the
// container.
type collector struct {
	percent int   // as GOGC; 0 leaves it as it is
	limit   int64 // as GOMEMLIMIT, in bytes; 0 leaves it as it is
	floor   int   // what the heap counts as live at least, in bytes
}

// heapFloor is memory that is allocated and never touched, so that no page of
// it is ever there. Without it a heap of 2 MB is collected thirty times a second
// under full load, which is a tenth of a Check.
const heapFloor = 16 << 20

// chooseCollector changes nothing that the environment sets. cgroup returns the
// memory of the container in bytes, or an error where there is no limit.
func chooseCollector(environment func(string) string, cgroup func() (uint64, error)) collector {
	var chosen collector
	if environment("GOMEMLIMIT") == "" {
		if room, err := cgroup(); err == nil && room > 0 && room < math.MaxInt64 {
			chosen.limit = int64(room) / 10 * 9
		}
	}
	if environment("GOGC") != "" {
		return chosen
	}
	chosen.percent = 400
	if chosen.limit == 0 || chosen.limit >= 10*heapFloor {
		chosen.floor = heapFloor
	}
	return chosen
}

// apply returns what has to stay alive as long as the service.
func (c collector) apply() []byte {
	if c.percent != 0 {
		debug.SetGCPercent(c.percent)
	}
	if c.limit != 0 {
		debug.SetMemoryLimit(c.limit)
	}
	return make([]byte, c.floor)
}

func tuneCollector() []byte { return chooseCollector(os.Getenv, memlimit.FromCgroup).apply() }

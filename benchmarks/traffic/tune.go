package traffic

import (
	"runtime"
	"runtime/debug"
)

// mostGarbage is the memory, in bytes, up to which a sender leaves everything
// lying: that of a dozen seconds at 30000 requests a second, and what is kept.
const mostGarbage = 4 << 30

// Tune sets the runtime up for a program that sends. At a rate it leaves half of
// the processors to the service, as more of them only wake each other up. And it
// collects its garbage in [Collect], not when it likes: a collection takes every
// processor there is for some milliseconds, and these were the slowest answers
// of all.
func Tune() {
	runtime.GOMAXPROCS(max(1, runtime.NumCPU()/2))
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(mostGarbage)
}

// Collect is for the moment before a measurement.
func Collect() { runtime.GC() }

package traffic

import (
	"runtime"
	"runtime/debug"
)

// mostGarbage is the memory, in bytes, up to which a sender does not collect
// garbage: that of a dozen seconds at 30000 requests a second, and the samples.
const mostGarbage = 4 << 30

// Tune prepares the runtime of a program that sends. It leaves half of the
// processors to the service, since more of them only wake each other up. It collects
// garbage only in [Collect]: a collection takes every processor for some
// milliseconds, which would be the slowest answers.
func Tune() {
	runtime.GOMAXPROCS(max(1, runtime.NumCPU()/2))
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(mostGarbage)
}

// Collect collects garbage. Call it before a measurement.
func Collect() { runtime.GC() }

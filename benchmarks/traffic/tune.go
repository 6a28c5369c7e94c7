package traffic

import (
	"runtime"
	"runtime/debug"
)

// Tune sets the runtime up for a program that sends. A sender in its pause
// holds one of the runtime's processors until that is taken from it, which may
// be late; and its garbage is not what is measured.
func Tune() {
	runtime.GOMAXPROCS(runtime.NumCPU() + 4)
	debug.SetGCPercent(400)
}

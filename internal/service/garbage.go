package service

import "runtime/debug"

// garbageOfLoads is the GOGC of a load: a large configuration leaves many times its
// size behind while it is read, beside the one in force.
const garbageOfLoads = 20

// collectOften makes the garbage collector run often until restore is called. It
// changes nothing where the environment turned the collector off, or has it run
// more often.
func collectOften() (restore func()) {
	before := debug.SetGCPercent(garbageOfLoads)
	if before < garbageOfLoads { // -1 is off
		debug.SetGCPercent(before)
	}
	return func() { debug.SetGCPercent(before) }
}

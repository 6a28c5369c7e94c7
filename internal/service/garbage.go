package service

import "runtime/debug"

// garbageOfLoads is the GOGC of a load: a large configuration leaves many times its
// size behind while it is read, beside the one in force.
const garbageOfLoads = 20

// manyResources is from how many resources on a configuration counts as large. With
// fewer, a reload leaves little behind, and collections beside the traffic would
// delay answers three times.
const manyResources = 1000

// isLarge reports whether the configuration in force is one whose reload needs much
// memory.
func (s *Service) isLarge() bool {
	return len(s.current.Load().Config.Resources.All()) >= manyResources
}

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

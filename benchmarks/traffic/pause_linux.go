package traffic

import (
	"syscall"
	"time"
)

// pause sleeps. The runtime's own timers round up to a millisecond where
// nothing else keeps the process busy, which is more than most answers take.
func pause(d time.Duration) {
	left := syscall.NsecToTimespec(d.Nanoseconds())
	_ = syscall.Nanosleep(&left, nil) // cut short by a signal: the caller looks at the clock
}

package main

import (
	"syscall"
	"time"
)

// processAttributes puts doorward into a group of its own, so that Ctrl-C
// reaches us alone and the parts stop in order; and has the kernel end it
// should we be killed.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// pause sleeps. The runtime's own timers round up to a millisecond where
// nothing else keeps the process busy, which is more than most answers take.
func pause(d time.Duration) {
	left := syscall.NsecToTimespec(d.Nanoseconds())
	_ = syscall.Nanosleep(&left, nil) // cut short by a signal: the caller looks at the clock
}

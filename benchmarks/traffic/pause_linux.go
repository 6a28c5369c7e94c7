package traffic

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pause sleeps with a kernel timer, for which the runtime waits as it does for a
// socket. The runtime's own timers round up to a millisecond in an idle process,
// which is more than most answers take, and a sleep in a system call occupies one of
// the runtime's processors.
type pause struct {
	descriptor int
	timer      *os.File
}

func newPause() (pause, error) {
	descriptor, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return pause{}, fmt.Errorf("traffic: no timer: %w", err)
	}
	return pause{descriptor, os.NewFile(uintptr(descriptor), "timer")}, nil
}

// sleep may end early: the caller checks the clock. d is more than 0.
func (p pause) sleep(d time.Duration) {
	after := unix.ItimerSpec{Value: unix.NsecToTimespec(d.Nanoseconds())}
	if unix.TimerfdSettime(p.descriptor, 0, &after, nil) == nil {
		var expirations [8]byte
		_, _ = p.timer.Read(expirations[:])
	}
}

func (p pause) close() { _ = p.timer.Close() } // nothing was written

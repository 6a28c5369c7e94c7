package testenv

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// CPU is the processor time that all threads of the process have used so far,
// in user and in kernel mode. It reads the kernel's clock of the process, in
// nanoseconds; /proc/PID/stat has hundredths of a second. It works on Linux
// alone.
func (p *Process) CPU() (time.Duration, error) {
	const schedulerClock = 2 // clock ids of other processes: linux/posix-timers.h, CPUCLOCK_SCHED
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^p.PID<<3|schedulerClock), &used); err != nil {
		return 0, fmt.Errorf("cannot read the processor time of process %d: %w", p.PID, err)
	}
	return time.Duration(used.Nano()), nil
}

// Memory is the resident set of the process, now and at its highest, in bytes.
// It works on Linux alone.
func (p *Process) Memory() (now, highest int64, err error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/status")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kibibytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch {
		case name == "VmRSS" && err == nil:
			now = kibibytes << 10
		case name == "VmHWM" && err == nil:
			highest = kibibytes << 10
		}
	}
	return now, highest, nil
}

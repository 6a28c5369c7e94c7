package server

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// processAttributes puts a process into a group of its own, so that Ctrl-C
// reaches us alone and the parts stop in order; and has the kernel end it
// should we be killed.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// CPU is the processor time that a process has used so far, of all its threads,
// in user and in kernel mode. It is the kernel's own clock of the process, in
// nanoseconds: /proc/PID/stat has the same, in hundredths of a second.
func CPU(pid int) (time.Duration, error) {
	const schedulerClock = 2 // the clock ids of another process: linux/posix-timers.h, CPUCLOCK_SCHED
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &used); err != nil { //nolint:gosec // a process id has at most 22 bits
		return 0, fmt.Errorf("cannot read the processor time of process %d: %w", pid, err)
	}
	return time.Duration(used.Nano()), nil
}

// Memory is what a process holds now, and the most it ever held, in bytes
// (resident set).
func Memory(pid int) (now, most int64, err error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
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
			most = kibibytes << 10
		}
	}
	return now, most, nil
}

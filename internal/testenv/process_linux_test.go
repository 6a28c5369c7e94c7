package testenv

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// TestCPU: the clock lies between what getrusage reports before and after.
func TestCPU(t *testing.T) {
	usage := func() (user, kernel time.Duration) {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano())
	}
	own := func() time.Duration {
		user, kernel := usage()
		return user + kernel
	}
	for user, kernel := usage(); min(user, kernel) < 60*time.Millisecond; user, kernel = usage() {
		for range 1000 { // both modes are used
			_, _ = os.ReadFile("/proc/self/status")
		}
	}
	const coarse = 20 * time.Millisecond // getrusage may be a tick or two behind
	before := own()
	used, err := (&Process{PID: os.Getpid()}).CPU()
	after := own()
	if err != nil || used < before-coarse || used > after+coarse {
		t.Errorf("%v, %v; by getrusage from %v to %v", used, err, before, after)
	}
	if used, err := gone(t).CPU(); err == nil {
		t.Errorf("a process that is not there used %v", used)
	}
}

func TestMemory(t *testing.T) {
	now, most, err := (&Process{PID: os.Getpid()}).Memory()
	if err != nil || now < 1<<20 || most < now {
		t.Errorf("%d now, %d at most, %v", now, most, err)
	}
	if _, _, err := gone(t).Memory(); err == nil {
		t.Error("a process that is not there holds memory")
	}
}

// gone is a process that has ended.
func gone(t *testing.T) *Process {
	t.Helper()
	p, err := Start(t.Context(), Command{Program: "true"})
	if err != nil {
		t.Fatal(err)
	}
	p.Stop()
	return p
}

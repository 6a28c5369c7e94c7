//go:build !linux

package server

import (
	"errors"
	"syscall"
	"time"
)

var errLinux = errors.New("the processor time and memory of another process are read on Linux alone")

// processAttributes puts a process into a group of its own, so that Ctrl-C
// reaches us alone and the parts stop in order.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// CPU needs Linux.
func CPU(int) (time.Duration, error) { return 0, errLinux }

// Memory needs Linux.
func Memory(int) (now, most int64, err error) { return 0, 0, errLinux }

//go:build !linux

package testenv

import (
	"errors"
	"syscall"
	"time"
)

var errLinux = errors.New("the processor time and the memory of another process are read on Linux alone")

func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// CPU needs Linux.
func (*Process) CPU() (time.Duration, error) { return 0, errLinux }

// Memory needs Linux.
func (*Process) Memory() (now, highest int64, err error) { return 0, 0, errLinux }

//go:build !linux

package main

import (
	"syscall"
	"time"
)

// processAttributes puts doorward into a group of its own, so that Ctrl-C
// reaches us alone and the parts stop in order.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

func pause(d time.Duration) { time.Sleep(d) }

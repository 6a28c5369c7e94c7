//go:build !linux

package rig

import "syscall"

// processAttributes puts the process into a group of its own, so that Ctrl-C
// reaches us alone and the parts stop in order.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

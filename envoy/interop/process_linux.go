package main

import "syscall"

// processAttributes puts a process into a group of its own, so that Ctrl-C
// reaches us alone and the parts stop in order, and that its own children end
// with it; and has the kernel end it should we be killed.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

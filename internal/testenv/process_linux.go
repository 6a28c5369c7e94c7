package testenv

import "syscall"

// processAttributes puts the process into a group of its own, so that Ctrl-C
// reaches us alone and the parts stop in order; and has the kernel end it
// should we be killed, so that no test leaves an Envoy behind.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

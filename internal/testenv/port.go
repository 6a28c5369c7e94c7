package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// anyPort asks the kernel for a free port.
const anyPort = "127.0.0.1:0"

// Listen opens a TCP port for one of the parts; "" is a free port on
// 127.0.0.1. The error of a busy port names it.
func Listen(address string) (net.Listener, error) {
	if address == "" {
		address = anyPort
	}
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", address) // at once: the address is a number
	if errors.Is(err, syscall.EADDRINUSE) {
		_, port, _ := net.SplitHostPort(address)
		return nil, fmt.Errorf("port %s is busy: another process listens on %s; stop it or choose another port: %w",
			port, address, err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return listener, nil
}

// FreeAddresses names n different addresses on 127.0.0.1 whose ports are free at
// this moment, for processes that cannot be handed an open listener. Another
// process may take one before that; then the process fails to start and reports
// that the port is busy.
func FreeAddresses(n int) ([]string, error) {
	addresses := make([]string, n)
	for i := range addresses {
		listener, err := Listen(anyPort)
		if err != nil {
			return nil, err
		}
		defer func() { _ = listener.Close() }() // only at the end, so that no port is named twice
		addresses[i] = listener.Addr().String()
	}
	return addresses, nil
}

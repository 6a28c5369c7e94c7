package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/doorward/doorward/internal/config"
)

// listeners are the open ports. http and debug are nil where they are off.
type listeners struct{ grpc, http, debug net.Listener }

func (l *listeners) close() {
	for _, listener := range []net.Listener{l.grpc, l.http, l.debug} {
		if listener != nil {
			_ = listener.Close() // a gRPC server has closed its own already
		}
	}
}

// listen opens every port, or fails and leaves no port open.
func listen(ctx context.Context, where config.Listen) (*listeners, error) {
	var opened listeners
	var err error
	if opened.grpc, err = listenGRPC(ctx, where.GRPC, where.SocketMode); err == nil {
		opened.http, err = listenTCP(ctx, "listen.http", where.HTTP)
	}
	if err == nil {
		opened.debug, err = listenTCP(ctx, "listen.debug", where.Debug)
	}
	if err != nil {
		opened.close()
		return nil, err
	}
	return &opened, nil
}

func listenGRPC(ctx context.Context, addr string, mode fs.FileMode) (net.Listener, error) {
	if path, isUnix := strings.CutPrefix(addr, "unix://"); isUnix {
		return listenUnix(ctx, "listen.grpc", path, mode)
	}
	return listenTCP(ctx, "listen.grpc", addr)
}

func listenTCP(ctx context.Context, key, addr string) (net.Listener, error) {
	if addr == config.Off {
		return nil, nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: %s is in use by another process: stop it or choose another address", key, addr)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return listener, nil
}

// listenUnix takes the place of a socket that a process left behind, never of
// one that answers, nor of another kind of file. The socket is closed to
// everyone until it has its mode.
func listenUnix(ctx context.Context, key, path string, mode fs.FileMode) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("%s: %s is no socket: choose another path", key, path)
		}
		if conn, err := new(net.Dialer).DialContext(ctx, "unix", path); err == nil {
			_ = conn.Close()
			return nil, fmt.Errorf("%s: %s is in use by another process: stop it or choose another path", key, path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("%s: a socket left behind: %w", key, err)
		}
	}
	listener, err := (&net.ListenConfig{Control: closedToAll}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: the mode of the socket: %w", key, err), listener.Close())
	}
	return listener, nil
}

// closedToAll sets the mode of a socket that has no name yet to 0, which bind
// passes on to its file. The umask would do that too, and would touch every other file
// that this process makes in the meantime. Systems other than Linux answer
// EINVAL and make the file with the umask there is.
func closedToAll(_, _ string, socket syscall.RawConn) error {
	var err error
	failed := socket.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0) })
	if failed != nil {
		return failed
	}
	if errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}

func address(listener net.Listener) string {
	if listener == nil {
		return config.Off
	}
	return listener.Addr().String()
}

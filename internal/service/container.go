package service

import (
	"io/fs"
	"log/slog"
	"net"
)

// containerMarks are files that engines put into every container: Docker, and
// Podman and CRI-O.
var containerMarks = []string{".dockerenv", "run/.containerenv"}

// inContainer reports whether this process runs in a container. root is the file
// system of the process; getenv is os.Getenv.
func inContainer(root fs.FS, getenv func(string) string) bool {
	if getenv("KUBERNETES_SERVICE_HOST") != "" {
		return true
	}
	for _, mark := range containerMarks {
		if _, err := fs.Stat(root, mark); err == nil {
			return true
		}
	}
	return false
}

// warnUnreachable logs the ports that only this container can reach. That is right
// where Envoy shares its network, as in a pod.
func warnUnreachable(log *slog.Logger, l *listeners) {
	for key, listener := range map[string]net.Listener{"listen.grpc": l.grpc, "listen.http": l.http} {
		if listener == nil {
			continue
		}
		if at, ok := listener.Addr().(*net.TCPAddr); ok && at.IP.IsLoopback() {
			log.Warn("listens on loopback inside a container, where no other container reaches it: leave it out of "+
				"the configuration of the image, unless Envoy is in the same pod", slog.String("key",
				key), slog.String("address", at.String()))
		}
	}
}

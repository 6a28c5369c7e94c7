package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const unixScheme = "unix://"

// longestSocket is the longest path of a Unix socket, in bytes, that every
// supported system accepts: the limit is 107 on Linux and 103 on macOS.
const longestSocket = 103

// Network splits an address of [Listen] into the arguments of [net.Listen]: "tcp"
// and host:port, or "unix" and a path. Both are empty for [Off].
func Network(listen string) (network, address string) {
	if listen == Off {
		return "", ""
	}
	if path, ok := strings.CutPrefix(listen, unixScheme); ok {
		return "unix", path
	}
	return "tcp", listen
}

// checkListen checks the addresses, the socket and the certificate.
func (r *reader) checkListen() {
	const useLoopback = `write a loopback address such as 127.0.0.1:6060, or "off"`
	l := r.doc.Listen
	network, address := Network(l.GRPC)
	switch fault := tcpFault(address); {
	case network == "":
		r.problem("listen.grpc", `cannot be "off"`, "write host:port or unix:///absolute/path")
	case network == "unix":
		r.checkSocket("listen.grpc", address)
	case fault != "":
		r.problem("listen.grpc", fault, "write host:port or unix:///absolute/path")
	case !isLoopback(address) && !r.written("listen.tls"):
		r.warn("listen.grpc", "accepts connections without TLS from other hosts, and requests carry tokens",
			"add listen.tls, or listen on a loopback address or a Unix socket")
	}
	if network != "unix" && r.written("listen.socket_mode") {
		r.problem("listen.socket_mode", "applies only to a Unix socket",
			"remove it, or write listen.grpc: unix:///absolute/path")
	}
	if fault := tcpFault(l.HTTP); l.HTTP != Off && fault != "" {
		r.problem("listen.http", fault, `write host:port, or "off"`)
	}
	if fault := tcpFault(l.Debug); l.Debug != Off && fault != "" {
		r.problem("listen.debug", fault, useLoopback)
	} else if l.Debug != Off && !isLoopback(l.Debug) {
		r.problem("listen.debug", "would show memory and keys to other hosts", useLoopback)
	}
	r.checkShared()
	r.checkTLS("listen.tls", l.TLS)
}

func (r *reader) checkSocket(at, path string) {
	switch {
	case !filepath.IsAbs(path) || strings.HasSuffix(path, "/") || strings.ContainsRune(path, 0):
		r.problem(at, "is not the absolute path of a socket", "write unix:///absolute/path")
	case len(path) > longestSocket:
		r.problem(at, fmt.Sprintf("has a path of %d bytes, which is too long for a socket", len(path)),
			fmt.Sprintf("use at most %d", longestSocket))
	}
}

// checkShared refuses one address for two listeners. Port 0 is another port for each.
func (r *reader) checkShared() {
	first := map[string]string{}
	type listener struct{ path, address string }
	all := []listener{
		{"listen.grpc", r.doc.Listen.GRPC},
		{"listen.http", r.doc.Listen.HTTP},
		{"listen.debug", r.doc.Listen.Debug},
	}
	for i, l := range r.doc.Egress.Listeners {
		all = append(all, listener{element("egress.listeners", i) + ".listen", l.Listen})
	}
	for _, l := range all {
		if l.address == Off || l.address == "" || strings.HasSuffix(l.address, ":0") {
			continue
		}
		if other, taken := first[l.address]; taken {
			r.problem(l.path, "is also the address of "+other, "use another port")
			continue
		}
		first[l.address] = l.path
	}
}

// tcpFault returns the problem with host:port, "" if there is none.
func tcpFault(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Sprintf("is %q, which is not host:port", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Sprintf("has the port %q, which is not a number from 0 to 65535", port)
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !isHostName(host) {
		return fmt.Sprintf("has the host %q, which is neither an IP address nor a name", host)
	}
	return ""
}

// isHostName accepts names, and refuses numbers such as 127.1.
func isHostName(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	return strings.Trim(last, "0123456789") != "" &&
		regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`).MatchString(host)
}

func isLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address) // checked before; "" is every address
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// checkTLS checks the certificate, the key and the client authorities at a path.
func (r *reader) checkTLS(at string, t TLS) {
	hasCert, hasKey := r.written(at+".cert_file"), r.written(at+".key_file")
	switch {
	case hasCert && hasKey:
		r.checkPair(at, t.CertFile, t.KeyFile)
	case hasCert:
		r.problem(at, "has a cert_file without its key_file", "add key_file")
	case hasKey:
		r.problem(at, "has a key_file without its cert_file", "add cert_file")
	case r.written(at):
		r.problem(at, "has no certificate", "add cert_file and key_file, or remove it")
	}
	r.certificates(at+".client_ca_file", t.ClientCAFile)
}

// checkPair reads the cert_file and the key_file of a mapping.
func (r *reader) checkPair(path, certFile, keyFile string) {
	cert, certOK := r.readNamed(path+".cert_file", certFile)
	key, keyOK := r.readNamed(path+".key_file", keyFile)
	if !certOK || !keyOK {
		return
	}
	// The error may quote the file, which holds a private key.
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		r.problem(path, "has no certificate and private key in PEM that belong together",
			"check cert_file and key_file")
	}
}

// readNamed reads the file that the value of a path names. ok is false if it names
// none or the file cannot be read.
func (r *reader) readNamed(path, name string) (text []byte, ok bool) {
	if name == "" || r.isBroken(path) {
		return nil, false
	}
	text, err := r.bytesOf(name)
	if err != nil {
		r.problem(path, fmt.Sprintf("is %s, which cannot be read (%s)", name, cause(err)), nameReadable)
		return nil, false
	}
	return text, true
}

// certificates reads a file of at least one PEM certificate.
func (r *reader) certificates(path, name string) []byte {
	text, ok := r.readNamed(path, name)
	if ok && !x509.NewCertPool().AppendCertsFromPEM(text) {
		r.problem(path, fmt.Sprintf("is %s, which has no certificate", name),
			"name a file of PEM blocks of type CERTIFICATE")
	}
	return text
}

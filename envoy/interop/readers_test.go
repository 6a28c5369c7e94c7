package interop

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/readers"
)

//go:embed names.php
var namesProgram []byte

// readersServer is a lighttpd that runs PHP by CGI; package readers has models of
// both.
type readersServer struct {
	address, folder string
	lighttpd, php   string // the programs
	process         *testenv.Process
}

// readersSuite prepares the steps with lighttpd and PHP. Doorward is not in it:
// its own tests compare what it removes with the models.
func readersSuite(o options) (*suite, error) {
	h := &suite{flag: suiteReaders, name: "lighttpd and PHP"}
	s := &readersServer{
		folder:   filepath.Join(o.folder, suiteReaders),
		lighttpd: program("lighttpd", "/usr/sbin/lighttpd"), // Debian's place is not on every PATH
		php:      program("php-cgi"),
	}
	for name, path := range map[string]string{"lighttpd": s.lighttpd, "php-cgi": s.php} {
		if path == "" {
			h.missing = name + " is missing; on Debian `apt-get install lighttpd php-cgi` installs it"
		}
	}
	if h.missing != "" {
		return h, nil
	}
	h.steps = []step{
		{name: "start", wanted: "up", vital: true, do: s.start},
		{name: "names of headers, with every byte", wanted: asModelled, do: s.headers},
		{name: "names of parameters, with every byte", wanted: asModelled, do: s.parameters},
	}
	h.end = func() error { return s.process.Stop() }
	return h, nil
}

const asModelled = "as modelled"

// program is the first of names that is installed, "" where no one is.
func program(names ...string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func (s *readersServer) start(ctx context.Context) (outcome, error) {
	listener, err := testenv.Listen("")
	if err != nil {
		return outcome{}, err
	}
	s.address = listener.Addr().String()
	_ = listener.Close() // lighttpd wants it for itself
	_, port, _ := net.SplitHostPort(s.address)
	config := fmt.Sprintf("server.modules = (\"mod_cgi\")\nserver.document-root = %q\nserver.bind = \"127.0.0.1\"\nserver.port = %s\n"+
		"cgi.assign = (\".php\" => %q)\n", s.folder, port, s.php)
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return outcome{}, err
	}
	for name, content := range map[string][]byte{"lighttpd.conf": []byte(config), "names.php": namesProgram} {
		if err := os.WriteFile(filepath.Join(s.folder, name), content, 0o600); err != nil {
			return outcome{}, err
		}
	}
	s.process, err = testenv.Start(ctx, testenv.Command{Program: s.lighttpd, Args: []string{"-D", "-f", filepath.Join(s.folder, "lighttpd.conf")}})
	if err != nil {
		return outcome{}, err
	}
	err = s.process.Until(ctx, func(ctx context.Context) error {
		_, _, err := s.ask(ctx, "x-a: 1", "")
		return err
	})
	return outcome{got: "up"}, err
}

// found is what the program answers, decoded.
type found struct {
	headers    map[string]bool
	parameters [][]string
}

// ask sends one request, byte for byte: no library would send such names.
func (s *readersServer) ask(ctx context.Context, header, body string) (found, int, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return found{}, 0, err
	}
	defer func() { _ = conn.Close() }()
	request := "POST /names.php HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\n" + header + "\r\n\r\n" + body
	if _, err := io.WriteString(conn, request); err != nil {
		return found{}, 0, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return found{}, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return found{}, response.StatusCode, nil
	}
	var answer struct {
		Headers    map[string]string
		Parameters [][]string
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return found{}, 0, err
	}
	got := found{headers: map[string]bool{}}
	for name := range answer.Headers {
		got.headers[decoded(name)] = true
	}
	for _, keys := range answer.Parameters {
		for i := range keys {
			keys[i] = decoded(keys[i])
		}
		got.parameters = append(got.parameters, keys)
	}
	return got, http.StatusOK, nil
}

func decoded(text string) string {
	bytes, _ := base64.StdEncoding.DecodeString(text) // the program's own
	return string(bytes)
}

// headers asks with each byte in a name. Those that lighttpd refuses cannot
// reach a program.
func (s *readersServer) headers(ctx context.Context) (outcome, error) {
	passed := 0
	for b := range 256 {
		name := "x-mcp" + string([]byte{byte(b)}) + "auth"
		if b == ':' || b == '\n' {
			continue // they end the name, or the line
		}
		got, status, err := s.ask(ctx, name+": 1", "")
		switch {
		case err != nil:
			return outcome{}, err
		case status != http.StatusOK:
			continue
		case !got.headers[readers.Lighttpd(name)]:
			return outcome{got: fmt.Sprintf("%q arrives as %v, modelled as %s", name, got.headers, readers.Lighttpd(name))}, nil
		}
		passed++
	}
	return outcome{got: asModelled, note: fmt.Sprintf("%d bytes pass", passed)}, nil
}

// parameters asks with each byte in every place of a name, plain and escaped.
func (s *readersServer) parameters(ctx context.Context) (outcome, error) {
	var spellings []string
	var body strings.Builder
	for b := range 256 {
		for _, c := range []string{string([]byte{byte(b)}), fmt.Sprintf("%%%02x", b)} {
			if c == "&" || c == "=" {
				continue // they end the name
			}
			spellings = append(spellings, "access"+c+"token", c+"access_token", "access_token"+c, "access"+c+"token[]", "access"+c+"to"+c+"ken", "access"+c+"token]", "["+c+"access")
		}
	}
	for _, spelling := range spellings {
		body.WriteString(base64.StdEncoding.EncodeToString([]byte(spelling)) + "\n")
	}
	got, status, err := s.ask(ctx, "x-a: 1", body.String())
	if err != nil || status != http.StatusOK || len(got.parameters) != len(spellings) {
		return outcome{}, fmt.Errorf("status %d, %d answers to %d names: %w", status, len(got.parameters), len(spellings), err)
	}
	for i, spelling := range spellings {
		key, some := readers.PHP(spelling)
		keys := got.parameters[i]
		if some != (len(keys) == 1) || some && keys[0] != key {
			return outcome{got: fmt.Sprintf("%q is %q, modelled as %q", spelling, keys, key)}, nil
		}
	}
	return outcome{got: asModelled, note: fmt.Sprintf("%d names", len(spellings))}, nil
}

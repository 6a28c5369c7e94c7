package decisionlog

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/outbound"
)

// service posts batches to URL/logs as OPA does: a JSON array of events,
// compressed.
type service struct {
	form      form
	logs      *url.URL
	client    *outbound.Client
	tokenFile string // or ""
	zip       *gzip.Writer
	buffer    []byte
}

// newService fails where a file that o names cannot be used.
func newService(form form, o Options, within time.Duration) (*service, error) {
	to, err := url.Parse(o.To)
	if err != nil {
		return nil, err
	}
	var trusted []byte
	if o.CAFile != "" {
		if trusted, err = os.ReadFile(o.CAFile); err != nil {
			return nil, err
		}
	}
	if o.TokenFile != "" {
		if _, err := os.ReadFile(o.TokenFile); err != nil {
			return nil, err
		}
	}
	if o.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile); err != nil {
			return nil, err
		}
	}
	// The fastest level: it is paid by the Check that an event is about.
	zip, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	client := outbound.New(outbound.Rules{
		URL:               o.To,
		InsecureHTTPHosts: o.InsecureHTTPHosts,
		Time:              within,
		Bytes:             64 << 10, // nothing of the answer is read but its status
		Trust:             outbound.Trust{PEM: trusted, Only: o.CAFile != ""},
		CertFile:          o.CertFile, KeyFile: o.KeyFile,
	})
	return &service{form: form, logs: to.JoinPath("logs"), client: client, tokenFile: o.TokenFile, zip: zip}, nil
}

func (s *service) deliver(ctx context.Context, events []*entry) (int, error) {
	s.buffer = append(s.buffer[:0], '[')
	for i, e := range events {
		if i > 0 {
			s.buffer = append(s.buffer, ',')
		}
		s.buffer = s.form.append(s.buffer, e)
	}
	s.buffer = append(s.buffer, ']')
	// An abandoned request may still read its body: each has its own.
	body := bytes.NewBuffer(make([]byte, 0, len(s.buffer)/4))
	s.zip.Reset(body)
	if _, err := s.zip.Write(s.buffer); err != nil {
		return 0, err
	}
	if err := s.zip.Close(); err != nil {
		return 0, err
	}
	if err := s.post(ctx, body.Bytes()); err != nil {
		return 0, err
	}
	return len(events), nil
}

// post sends one batch. It is no client's Do: a redirect is an answer like any
// other, and events and token go to the configured place alone.
func (s *service) post(ctx context.Context, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.logs.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Content-Encoding", "gzip")
	request.Header.Set("User-Agent", "doorward")
	if s.tokenFile != "" {
		token, err := os.ReadFile(s.tokenFile)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	response, err := s.client.RoundTrip(request)
	if err != nil {
		_, words := s.client.Explain(err)
		return fmt.Errorf("%s %s", outbound.Place(s.logs), words)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body) // for the connection to be used again
	switch {
	case response.StatusCode >= 300 && response.StatusCode <= 399:
		return fmt.Errorf("the service answered %s: no redirect is followed, write the URL that it leads to",
			outbound.Clean(response.Status))
	case response.StatusCode < 200 || response.StatusCode > 299:
		return fmt.Errorf("the service answered %s", outbound.Clean(response.Status))
	}
	return nil
}

func (s *service) close() { s.client.CloseIdle() }

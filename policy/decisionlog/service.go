package decisionlog

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/open-policy-agent/opa/v1/logging"
	"github.com/open-policy-agent/opa/v1/plugins/rest"
)

// service posts batches to URL/logs as OPA does: a JSON array of events,
// compressed. Its client, with credentials and TLS, is OPA's own.
type service struct {
	form    form
	client  rest.Client
	timeout time.Duration // of one request
	zip     *gzip.Writer
	buffer  []byte
}

// newService makes OPA's configuration of a service out of o.
func newService(form form, o Options) (*service, error) {
	configured := map[string]any{"name": "decision_log", "url": o.To}
	switch {
	case o.TokenFile != "":
		configured["credentials"] = map[string]any{"bearer": map[string]any{"token_path": o.TokenFile}}
	case o.CertFile != "":
		configured["credentials"] = map[string]any{"client_tls": map[string]any{"cert": o.CertFile, "private_key": o.KeyFile}}
	}
	if o.CAFile != "" {
		configured["tls"] = map[string]any{"ca_cert": o.CAFile}
	}
	for _, name := range []string{o.TokenFile, o.CAFile, o.CertFile, o.KeyFile} {
		if name == "" {
			continue
		}
		if _, err := os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(configured)
	if err != nil {
		return nil, err
	}
	client, err := rest.New(text, nil, rest.Logger(logging.NewNoOpLogger()))
	if err != nil {
		return nil, err
	}
	// The fastest level: it is paid by the Check that an event is about.
	zip, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	return &service{form: form, client: client, timeout: 10 * time.Second, zip: zip}, nil
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
	// A request that was given up may still be read from: each has its own.
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

func (s *service) post(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	response, err := s.client.
		WithHeader("Content-Type", "application/json").
		WithHeader("Content-Encoding", "gzip").
		WithBytes(body).
		Do(ctx, http.MethodPost, "logs")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // for the connection to be used again
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("the service answered %d %s", response.StatusCode, http.StatusText(response.StatusCode))
	}
	return nil
}

func (s *service) close() {}

package service

import (
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// httpHandler serves health, metrics, and the RFC 9728 documents by Host.
func (s *Service) httpHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]bool{"live": true})
	})
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET "+jwksPath, s.assertionKeys)
	mux.Handle("GET /metrics", newPage(promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{DisableCompression: true})))
	// The mux would redirect a path that it finds unclean; a metadata path is read
	// as it was sent.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, _, _ := strings.Cut(r.RequestURI, "?")
		if !s.checks.State().Resources.IsMetadata(r.Host, path) {
			mux.ServeHTTP(w, r)
			return
		}
		s.metadata(w, r, path)
	})
}

func (s *Service) metadata(w http.ResponseWriter, r *http.Request, path string) {
	document := s.checks.State().Document(r.Method, r.Host, path)
	for _, header := range document.Headers() {
		w.Header().Set(header[0], header[1])
	}
	w.WriteHeader(document.Status)
	_, _ = w.Write(document.Body) // a client that has gone needs no answer
}

// reloadState is the last reload in /readyz.
type reloadState struct {
	Hash       string `json:"hash"` // of the configuration in force
	LastReload string `json:"last_reload"`
	Problem    string `json:"problem,omitempty"`
}

// What a reload comes to; a start counts as one. Whatever it is, the
// configuration in force goes on.
const (
	reloadDone    = "in force"
	reloadRefused = "refused"
	reloadWaits   = "waiting"
)

// readyz names every issuer, every bundle and their states, whatever the answer is.
func (s *Service) readyz(w http.ResponseWriter, _ *http.Request) {
	type issuer struct {
		Issuer  string `json:"issuer"`
		State   string `json:"state"`
		Keys    int    `json:"keys"`
		Problem string `json:"problem,omitempty"`
		Cause   string `json:"cause,omitempty"`    // of the problem, from a closed list
		NextTry string `json:"next_try,omitempty"` // RFC 3339, beside a problem
	}
	body := struct {
		Ready         bool          `json:"ready"`
		Configuration reloadState   `json:"configuration"`
		Issuers       []issuer      `json:"issuers"`
		Bundles       []bundleState `json:"bundles,omitempty"`
	}{Ready: s.readiness.ready.Load(), Configuration: *s.reloaded.Load(), Bundles: s.bundleStates()}
	body.Configuration.Hash = s.hash()
	for _, status := range s.issuers.statuses() {
		one := issuer{status.Issuer, status.State, status.Keys, status.Problem, string(status.Cause), ""}
		if status.Problem != "" {
			one.NextTry = status.NextTry.UTC().Format(time.RFC3339Nano)
		}
		body.Issuers = append(body.Issuers, one)
	}
	code := http.StatusOK
	if !body.Ready {
		code = http.StatusServiceUnavailable
	}
	writeJSON(w, code, body)
}

func writeJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone needs no answer
}

// debugHandler serves Go's profiles, and only those.
func debugHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

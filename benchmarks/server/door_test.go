package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestMetric(t *testing.T) {
	exposition := "# HELP a_total What a is.\na_total 7\na_total_of{b=\"c d\"} 1.5\nbroken x\n"
	shown := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, exposition) }))
	defer shown.Close()
	d := &Service{HTTP: strings.TrimPrefix(shown.URL, "http://")}
	for _, row := range []struct {
		name   string
		want   float64
		ok     bool
		failed bool
	}{
		{name: "a_total", want: 7, ok: true},
		{name: `a_total_of{b="c d"}`, want: 1.5, ok: true},
		{name: "a"},
		{name: "broken", failed: true},
	} {
		got, ok, err := d.Metric(t.Context(), row.name)
		if got != row.want || ok != row.ok || (err != nil) != row.failed {
			t.Errorf("%s: %v %v %v", row.name, got, ok, err)
		}
	}
}

// TestProcess: a program's words are kept, its end is noticed, and it does not
// inherit how we were told to run.
func TestProcess(t *testing.T) {
	t.Setenv("GOGC", "7")
	p, err := Start(t.Context(), Command{Program: "sh", Args: []string{"-c", `echo "$GREETING$GOGC"; echo there >&2`}, Env: []string{"GREETING=hello"}})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	if got := p.Log.String(); got != "hello\nthere\n" {
		t.Errorf("it said %q", got)
	}
	p.Stop() // at once, since it is gone
	if _, err := Start(t.Context(), Command{Program: "./no-such-program"}); err == nil {
		t.Error("a program that is not there was started")
	}
}

// TestConfiguration: what a row of a plan adds stands where it belongs.
func TestConfiguration(t *testing.T) {
	o := ServiceOptions{Issuer: "http://127.0.0.1:1", Resource: "https://mcp.example.com/mcp"}
	plain := o.configuration("a", "b")
	o.Refresh, o.Extra = "{min: 1s}", []string{"decision_log: {}"}
	full := o.configuration("a", "b")
	if strings.Contains(plain, "refresh") || !strings.Contains(full, "jwks.json\n  refresh: {min: 1s}\nresources:") || !strings.HasSuffix(full, "\ndecision_log: {}\n") {
		t.Errorf("plain:\n%s\nfull:\n%s", plain, full)
	}
}

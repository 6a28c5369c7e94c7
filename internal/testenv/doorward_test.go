package testenv

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
	d := &Doorward{HTTP: strings.TrimPrefix(shown.URL, "http://")}
	for _, row := range []struct {
		name   string
		want   float64
		failed bool
	}{
		{name: "a_total", want: 7},
		{name: `a_total_of{b="c d"}`, want: 1.5},
		{name: "a", failed: true},
		{name: "broken", failed: true},
	} {
		got, err := d.Metric(t.Context(), row.name)
		if got != row.want || (err != nil) != row.failed {
			t.Errorf("%s: %v %v", row.name, got, err)
		}
	}
}

// TestProcess: what a program writes is kept, its end is noticed, and it does not
// inherit the variables of the Go runtime.
func TestProcess(t *testing.T) {
	t.Setenv("GOGC", "7")
	p, err := Start(t.Context(), Command{Program: "sh", Args: []string{"-c", `echo "$GREETING$GOGC"; echo there >&2`}, Env: []string{"GREETING=hello"}})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	if got := p.Log.String(); got != "hello\nthere\n" {
		t.Errorf("the log is %q", got)
	}
	if err := p.Stop(); err == nil || !strings.HasPrefix(err.Error(), "sh: the process ended; its last lines:\n   hello") {
		t.Errorf("Stop after its end: %v", err)
	}
	if _, err := Start(t.Context(), Command{Program: "./no-such-program"}); err == nil {
		t.Error("a program that is not there was started")
	}
}

//go:build interop

package interop

import (
	"errors"
	"flag"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/testenv"
)

var (
	only     = flag.String("only", "", "run one `suite` alone: oidc, keycloak, zitadel, spring, upstream, assertion, readers, messages, sdks, conformance or browser")
	keep     = flag.Bool("keep", false, "leave everything running until Ctrl-C")
	require  = flag.Bool("require", false, "fail where a suite cannot run")
	write    = flag.Bool("record", false, "write the lines of the servers into the table of docs/providers.md, the readings of the SDKs, and the picture of the page")
	generate = flag.Int("documents", 0, "the `number` of documents that the SDKs read; 0 is 10,000")
	tools    = flag.String("tools", "../../.tools", "`folder` that envoy/interop/install installed into")
)

// TestInterop runs the suites one after the other and prints a table of their
// steps. A suite whose programs are missing is skipped, with the reason.
func TestInterop(t *testing.T) {
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	began := time.Now()
	o := options{folder: t.TempDir(), only: *only, require: *require, record: *write, documents: *generate}
	programs, err := testenv.Build(ctx, o.folder, "cmd/doorward")
	if err != nil {
		t.Fatal(err)
	}
	o.doorward = programs[0]
	if o.tools, err = filepath.Abs(*tools); err != nil {
		t.Fatal(err)
	}
	suites, err := o.suites()
	if err != nil {
		t.Fatal(err)
	}
	page, results := &page{out: os.Stdout}, &results{}
	defer func() {
		for _, s := range suites {
			if err := s.stop(); err != nil {
				t.Error(err)
			}
		}
	}()
	for _, s := range suites {
		t.Run(s.flag, func(t *testing.T) {
			s.run(ctx, page, results)
			if s.missing != "" {
				t.Skip("not run: ", s.missing)
			}
			if *keep {
				return
			}
			if err := s.stop(); err != nil {
				t.Error(err)
			}
		})
	}
	page.table(results)
	page.summary(results, time.Since(began))
	if err := errors.Join(ctx.Err(), results.verdict(o)); err != nil {
		t.Fatal(err)
	}
	if *write {
		if err := results.record(guide, began.UTC()); err != nil {
			t.Fatal(err)
		}
	}
	if err := results.document(document, suites, began.UTC()); err != nil {
		t.Fatal(err)
	}
	if *keep {
		page.running(suites)
		<-ctx.Done()
	}
}

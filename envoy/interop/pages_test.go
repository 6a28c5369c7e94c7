package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/doorward/doorward/internal/testenv"
)

// screenshotFile is what the page shows at its end, for readers of docs/operations.md.
const screenshotFile = "../../docs/browser.png"

// pages is the TypeScript client in pages of Chromium: one origin that the resource
// lists, and one that it does not. Envoy has no CORS filter: doorward answers.
type pages struct {
	*sdks
	program       string // Chromium
	browser       *chromium
	listed, other string // origins
	servers       []*http.Server
	record        bool
}

func browserSuite(o options) (*suite, error) {
	h := &suite{flag: suiteBrowser, name: "Chromium", head: []string{"Operation by", "Page", "Shown"}}
	h.about = "The TypeScript client 2.4.0 in a page, with `cors: true` on the resource and without Envoy's CORS filter. ![](../docs/browser.png)"
	s, missing, err := newSDKs(o, h.flag)
	p := &pages{sdks: s, program: program("chromium-headless-shell", "chromium"), record: o.record}
	if missing == "" && p.program == "" {
		missing = "chromium is missing; on Debian `apt-get install chromium-headless-shell` installs it"
	}
	if h.missing = missing; missing != "" || err != nil {
		return h, err
	}
	const works = "✓ login, ✓ list of tools, ✓ call of echo, ✓ another login, ✓ call of forecast"
	h.steps = []step{
		{name: "the page and its bundle", wanted: "up", vital: true, do: p.serve},
		{name: "oidc-provider starts", wanted: "up", vital: true, do: func(ctx context.Context) (outcome, error) {
			return s.startAS(ctx, p.listed+"/callback", p.other+"/callback")
		}},
	}
	for _, w := range ways {
		h.steps = append(h.steps,
			step{name: w.name + ": starts", wanted: "up", vital: true, do: func(ctx context.Context) (outcome, error) { return p.open(ctx, w) }},
			step{name: w.name + ": a page of a listed origin", wanted: works, do: func(ctx context.Context) (outcome, error) { return p.show(ctx, w, p.listed) }},
			step{name: w.name + ": a page of another", wanted: "✗ connect", do: func(ctx context.Context) (outcome, error) { return p.show(ctx, w, p.other) }},
			step{name: w.name + ": ends", wanted: "down", vital: true, do: p.close},
		)
	}
	h.end = func() error {
		p.browser.stop()
		problems := []error{s.end()}
		for _, server := range p.servers {
			problems = append(problems, server.Close())
		}
		return errors.Join(problems...)
	}
	return h, nil
}

// serve bundles the client, and serves the page at two origins.
func (p *pages) serve(ctx context.Context) (outcome, error) {
	bundle := exec.CommandContext(ctx, p.node, "node_modules/esbuild/bin/esbuild", "page.mjs", "--bundle", "--format=esm", "--outfile=page.js")
	bundle.Dir = p.folder
	if text, err := bundle.CombinedOutput(); err != nil {
		return outcome{}, fmt.Errorf("%w: %s", err, text)
	}
	files := http.NewServeMux()
	for path, name := range map[string]string{"/{$}": "page.html", "/callback": "page.html", "/page.js": "page.js"} {
		files.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, filepath.Join(p.folder, name)) })
	}
	files.HandleFunc("/plan.json", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(plan{URL: p.front.plain, Client: "app", Call: goTools.call, StepUp: &goTools.stepUp})
	})
	for _, origin := range []*string{&p.listed, &p.other} {
		listener, err := testenv.Listen("")
		if err != nil {
			return outcome{}, err
		}
		*origin = "http://" + listener.Addr().String()
		server := &http.Server{Handler: files, ReadHeaderTimeout: time.Minute}
		p.servers = append(p.servers, server)
		go func() { _ = server.Serve(listener) }()
	}
	return outcome{got: "up", note: p.listed}, nil
}

// open starts Envoy without its CORS filter, and Chromium.
func (p *pages) open(ctx context.Context, w way) (outcome, error) {
	withoutCORS := way{w.name, func(b *testenv.Bootstrap) error {
		err := w.edit(b)
		b.Manager.HttpFilters = slices.DeleteFunc(b.Manager.GetHttpFilters(), func(f *managerv3.HttpFilter) bool {
			return f.GetName() == "envoy.filters.http.cors"
		})
		return err
	}, w.yaml}
	p.origins = []string{p.listed}
	o, err := p.sdks.open(ctx, withoutCORS, backends[0])
	if err != nil || p.browser != nil {
		return o, err
	}
	p.browser, err = startChromium(ctx, p.program, filepath.Join(p.folder, "profile"))
	return o, err
}

// show opens the page and reads what it did.
func (p *pages) show(ctx context.Context, w way, origin string) (outcome, error) {
	if err := p.browser.open(origin + "/"); err != nil {
		return outcome{}, err
	}
	if err := p.browser.until(ctx, "done"); err != nil {
		return outcome{}, err
	}
	var results []struct {
		Name string `json:"name"`
		OK   bool   `json:"ok"`
		Text string `json:"text"`
	}
	text, err := p.browser.evaluate("window.results")
	if err == nil {
		err = json.Unmarshal(text, &results)
	}
	if err != nil {
		return outcome{}, err
	}
	if p.record && origin == p.listed && w.name == ways[0].name {
		picture, err := p.browser.screenshot()
		if err = errors.Join(err, os.WriteFile(screenshotFile, picture, 0o644)); err != nil {
			return outcome{}, err
		}
	}
	var steps, words []string
	for _, result := range results {
		symbol := "✗"
		if result.OK {
			symbol = "✓"
		}
		steps, words = append(steps, symbol+" "+result.Name), append(words, result.Text)
	}
	got, page := strings.Join(steps, ", "), "of a listed origin"
	if origin == p.other {
		page = "of another origin"
	}
	shown := got
	if len(results) == 1 {
		shown += ": " + words[0]
	}
	return outcome{got: got, note: strings.Join(words, "; "), cells: []string{w.name, page, shown}}, nil
}

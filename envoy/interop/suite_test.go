package interop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// suite is what is tried with one authorization server and a doorward of its own,
// or with other servers and no doorward.
type suite struct {
	flag    string   // as -only names it
	name    string   // as a person reads it
	missing string   // why it cannot run here; "" if it can
	head    []string // of its table in INTEROP.md; nil is none
	words   []string // head of the table below it; nil is none
	about   string   // what a reader of the table should know
	steps   []step
	service *service
	stopped bool
	end     func() error // ends the authorization server
}

// step is one thing to try.
type step struct {
	feature feature // which it shows; "" is none of them
	name    string
	wanted  string
	within  time.Duration // 0 is a minute
	vital   bool          // the steps after it depend on it
	do      func(context.Context) (outcome, error)
}

// outcome is what a step found. The note is for a reader and is not compared, nor
// are cells, a line of the suite's table in INTEROP.md, and words, a line of the
// table below it.
type outcome struct {
	got, note    string
	cells, words []string
}

// run takes the steps in order, and counts the rest as not tried once a vital
// one failed or ctx has ended.
func (s *suite) run(ctx context.Context, page *page, results *results) {
	page.say(s.name)
	if s.missing != "" {
		page.text(indent + "not run: " + s.missing)
		results.notRun = append(results.notRun, notRun{s.flag, s.name, s.missing})
		return
	}
	stuck := false
	for _, step := range s.steps {
		if stuck {
			results.rows = append(results.rows, row{server: s.name, feature: step.feature, step: step.name, wanted: step.wanted, got: "not tried"})
			continue
		}
		row := step.take(ctx, s.name, page)
		row.suite = s.flag
		results.rows = append(results.rows, row)
		stuck = ctx.Err() != nil || step.vital && !row.ok()
	}
}

func (s step) take(ctx context.Context, server string, page *page) row {
	within := s.within
	if within == 0 {
		within = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	page.begin(s.name)
	began := time.Now()
	o, err := s.do(ctx)
	if err != nil {
		o.got = "error: " + err.Error()
	}
	r := row{
		server: server, feature: s.feature, step: s.name, wanted: s.wanted, got: o.got, note: o.note, cells: o.cells, words: o.words, took: time.Since(began),
	}
	page.end(r)
	return r
}

// stop ends the clients before the servers that they use.
func (s *suite) stop() error {
	if s.missing != "" || s.stopped {
		return nil
	}
	s.stopped = true
	if s.service == nil {
		return s.end()
	}
	return errors.Join(s.service.stop(), s.end())
}

// The suites, as -only names them.
const (
	suiteOIDC     = "oidc"
	suiteKeycloak = "keycloak"
	suiteZitadel  = "zitadel"
	suiteSpring   = "spring"
	suiteReaders  = "readers"
	suiteMessages = "messages"
	suiteSDKs     = "sdks"
	suiteUpstream = "upstream"

	suiteAssertion = "assertion"

	suiteConformance = "conformance"
	suiteBrowser     = "browser"
)

// The servers' names, as a person reads them, with the versions that are installed.
const (
	nameOIDC     = "oidc-provider 9.13.3"
	nameKeycloak = "Keycloak 26.7.3"
	nameZitadel  = "zitadel/oidc 3.51.17"
	nameSpring   = "Spring Authorization Server, Boot 4.1.0"

	nameFastMCP = "FastMCP 4.1.6"
	nameGoSDK   = "go-sdk 1.8.0"

	nameSpringResource = "Spring Boot 4.1.0"

	nameInspector   = "Inspector 2.12.0"
	nameConformance = "Conformance suite 0.2.0-alpha.12"
	nameEverything  = "server-everything 2026.8.31"
)

// options are the flags of TestInterop and what it made of them.
type options struct {
	only     string // the flag of one suite; "" is all
	require  bool   // a suite that cannot run is a failure
	doorward string // path of the program
	tools    string // where the servers are installed
	folder   string // for the files of the run

	record    bool // the readings of documents by the SDKs are written
	documents int  // that are generated for the SDKs; 0 is 10,000
}

// suites are those to run, in order.
func (o options) suites() ([]*suite, error) {
	all := []struct {
		flag    string
		prepare func(options) (*suite, error)
	}{
		{suiteReaders, readersSuite},
		{suiteMessages, messagesSuite},
		{suiteOIDC, oidcSuite},
		{suiteKeycloak, keycloakSuite},
		{suiteZitadel, zitadelSuite},
		{suiteSpring, springSuite},
		{suiteUpstream, upstreamSuite},
		{suiteAssertion, assertionSuite},
		{suiteSDKs, sdksSuite},
		{suiteConformance, conformanceSuite},
		{suiteBrowser, browserSuite},
	}
	var flags []string
	for _, one := range all {
		flags = append(flags, one.flag)
	}
	if o.only != "" && !slices.Contains(flags, o.only) {
		return nil, fmt.Errorf("-only %s: write one of %s", o.only, strings.Join(flags, ", "))
	}
	var suites []*suite
	for _, one := range all {
		if o.only != "" && o.only != one.flag {
			continue
		}
		s, err := one.prepare(o)
		if err != nil {
			return nil, err
		}
		suites = append(suites, s)
	}
	return suites, nil
}

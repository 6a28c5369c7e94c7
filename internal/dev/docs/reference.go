package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
)

const referenceHead = generatedMark + `
# Reference

Commands, configuration keys, reasons, headers and metrics. These names are promises: renaming one needs a reason and a
line in CHANGELOG.md. [doorward.yaml](../envoy/doorward.yaml) is a sample with every key.

`

// referencePage is docs/reference.md: commands and configuration keys as the
// binary prints them, reasons and metrics from the code.
func referencePage(root string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	folder, err := os.MkdirTemp("", "doorward-docs-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	binary := filepath.Join(folder, "doorward")
	// Without debugging information the linker takes a third of the time.
	if _, err := output(ctx, root, "go", "build", "-ldflags", "-s -w", "-o", binary, "./cmd/doorward"); err != nil {
		return nil, err
	}
	page := bytes.NewBufferString(referenceHead)
	if err := writeCommands(ctx, page, binary); err != nil {
		return nil, err
	}
	if err := writeKeys(ctx, page, binary); err != nil {
		return nil, err
	}
	writeReasons(page)
	writeHeaders(page)
	err = writeMetrics(page, root)
	return page.Bytes(), err
}

func output(ctx context.Context, folder, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = folder
	text, err := command.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w\n%s", err, exit.Stderr)
	}
	return string(text), err
}

// writeCommands prints the help of each command.
func writeCommands(ctx context.Context, page *bytes.Buffer, binary string) error {
	page.WriteString(quoted(`## Commands

Exit codes: 0 success, 1 failure, 2 wrong usage, and 3 where 'explain' explains a refusal. Results go to standard
output, logs and errors to standard error.

`))
	for _, name := range []string{"serve", "check", "explain", "test", "library", "schema", "version"} {
		help, err := output(ctx, ".", binary, name, "--help")
		if err != nil {
			return err
		}
		fmt.Fprintf(page, "### doorward %s\n\n```\n%s```\n\n", name, help)
	}
	return nil
}

// schema is the part of JSON Schema that `doorward schema config` uses.
type schema struct {
	Type        any
	Description string
	Default     any
	Enum        []any
	Properties  map[string]*schema
	Items       *schema
	AnyOf       []*schema
	Reload      string `json:"x-reload"`
}

func writeKeys(ctx context.Context, page *bytes.Buffer, binary string) error {
	text, err := output(ctx, ".", binary, "schema", "config")
	if err != nil {
		return err
	}
	var document schema
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return err
	}
	page.WriteString(`## Configuration

Files are watched by content. A change is in force within 5 s, unless the column "reload" has "restart". A change
with an error is refused, and the configuration before it stays in force.

| key | value | reload | meaning |
|---|---|---|---|
`)
	document.writeRows(page, "")
	page.WriteString("\n")
	return nil
}

func (s *schema) writeRows(page *bytes.Buffer, prefix string) {
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		key, path := s.Properties[name], prefix+name
		reload := "at once"
		if key.Reload != "" {
			reload = key.Reload
		}
		fmt.Fprintf(page, "| `%s` | %s | %s | %s |\n", path, key.values(), reload, cell(key.Description))
		key.writeRows(page, path+".")
		if key.Items != nil {
			key.Items.writeRows(page, path+"[].")
		}
	}
}

// values describes the values of a key: its type or possible values, and its default.
func (s *schema) values() string {
	text := "mapping"
	switch {
	case len(s.Enum) > 0:
		words := make([]string, len(s.Enum))
		for i, value := range s.Enum {
			words[i] = fmt.Sprint(value)
		}
		text = strings.Join(words, ", ")
	case len(s.AnyOf) > 0:
		text = "mapping or text"
	case s.Type == "array":
		text = "list"
	case s.Type != nil && s.Type != "object":
		text = fmt.Sprint(s.Type)
	}
	if s.Default != nil {
		text += fmt.Sprintf("; default `%v`", s.Default)
	}
	return cell(text)
}

// quoted writes a raw string's single quotes as backquotes: inline code.
func quoted(text string) string { return strings.ReplaceAll(text, "'", "`") }

// cell escapes what would end a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }

func writeReasons(page *bytes.Buffer) {
	page.WriteString(quoted(`## Reasons

A Check ends in one reason, which is in logs, metrics and dynamic metadata. From 'misconfigured' on, the table is in the
order of precedence: where several reasons apply, the first is the answer.

| reason | status | OAuth error | description for the client |
|---|---|---|---|
`))
	for _, r := range reason.All() {
		fmt.Fprintf(page, "| `%s` | %d | %s | %s |\n", r, r.HTTPStatus(), r.OAuthError(), r.Description())
	}
	page.WriteString("\n")
}

func writeHeaders(page *bytes.Buffer) {
	page.WriteString(quoted(`## Headers and metadata

Set on an allowed request, each where the token has the claim, percent-encoded outside of visible ASCII:
'x-mcp-auth-issuer', 'x-mcp-auth-subject', 'x-mcp-auth-client', 'x-mcp-auth-scope'; also the headers of the policy.
Where configured, 'x-mcp-auth-assertion', and 'x-mcp-auth-handle' or a member of 'baggage' with this name.

Removed from it: 'authorization', 'dpop', 'access_token' and 'access-token' in the query, and every other header that a
server could take for one of those that are set.

On a refusal: 'www-authenticate' for 'no_credentials' and for every reason with an OAuth error, 'dpop-nonce' with a new
nonce, 'retry-after' with 503, and 'cache-control: no-store'. The body is JSON with 'error' and 'error_description', and
'code' of a 'deny' rule.

Dynamic metadata of every answer, in the namespace 'envoy.filters.http.ext_authz': 'reason', and 'resource' once it is
known. Once the token is verified 'issuer', 'client_id', 'token_id' and 'scope', with 'metadata_subject' also 'subject'.
With 'policy_denied' also 'policy_code' and 'policy_rule'.

`))
}

package interop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// headerRow is a request of 2026-07-28 whose headers differ from its body. Where
// lines has a header, it is in the place of the right one.
type headerRow struct {
	intent string
	lines  []string // "name: value", or "name" for no such header
	body   string   // MARK is in the place of the mark of a call
}

const (
	envelope = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},` +
		`"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}}`
	callOfA = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"mark":"MARK"},` + envelope + `}}`
)

// headerRows are the lines of the table in docs/operations.md.
var headerRows = []headerRow{
	{"headers and body agree", nil, callOfA},
	{"`Mcp-Method` is another", []string{"mcp-method: tools/list"}, callOfA},
	{"`Mcp-Method` is missing", []string{"mcp-method"}, callOfA},
	{"`Mcp-Method` twice, the right one first", []string{"mcp-method: tools/call", "mcp-method: tools/list"}, callOfA},
	{"`Mcp-Method` twice, the right one last", []string{"mcp-method: tools/list", "mcp-method: tools/call"}, callOfA},
	{"`Mcp-Method` in another case", []string{"mcp-method: Tools/Call"}, callOfA},
	{"`Mcp-Name` is another", []string{"mcp-name: b"}, callOfA},
	{"`Mcp-Name` is missing", []string{"mcp-name"}, callOfA},
	{"`Mcp-Name` twice, the right one first", []string{"mcp-name: a", "mcp-name: b"}, callOfA},
	{"`Mcp-Name` twice, the right one last", []string{"mcp-name: b", "mcp-name: a"}, callOfA},
	{"`Mcp-Name` in base64", []string{"mcp-name: =?base64?YQ==?="}, callOfA},
	{"`Mcp-Name` in base64, another", []string{"mcp-name: =?base64?Yg==?="}, callOfA},
	{"`Mcp-Name` in base64 with bits that are not used", []string{"mcp-name: =?base64?YR==?="}, callOfA},
	{"`Mcp-Name` in base64 twice", []string{"mcp-name: =?base64?PT9iYXNlNjQ/WVE9PT89?="}, callOfA},
	{"the prompt of `Mcp-Name` is another", []string{"mcp-method: prompts/get", "mcp-name: b"}, `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"p",` + envelope + `}}`},
	{"the URI of `Mcp-Name` is another", []string{"mcp-method: resources/read", "mcp-name: memo:b"}, `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"memo:a",` + envelope + `}}`},
	{"`Mcp-Method` is another, a notification", []string{"mcp-method: tools/list"}, strings.Replace(callOfA, `"id":1,`, "", 1)},
	{"`Mcp-Method` is another, no `_meta` in the body", []string{"mcp-method: tools/list"}, strings.Replace(callOfA, ","+envelope, "", 1)},
	{"`Mcp-Name` is another, no `_meta` in the body", []string{"mcp-name: b"}, strings.Replace(callOfA, ","+envelope, "", 1)},
	{"`Mcp-Method` is another, a batch", []string{"mcp-method: tools/list"}, "[" + callOfA + "]"},
	{"`Mcp-Method` is another, with `Mcp-Session-Id`", []string{"mcp-method: tools/list", "mcp-session-id: s"}, callOfA},
	{"`Mcp-Method` is another, no `MCP-Protocol-Version`", []string{"mcp-method: tools/list", "mcp-protocol-version"}, callOfA},
	{"`Mcp-Method` is another, 2025-11-25 without `_meta`", []string{"mcp-method: tools/list", "mcp-protocol-version: 2025-11-25"}, strings.Replace(callOfA, ","+envelope, "", 1)},
}

// headerServers are the columns of the table.
var headerServers = []string{"go-sdk 1.8.0", "TypeScript server 2.4.0", "Python mcp 2.3.0"}

// tryHeaders starts the servers, sends each row to each and compares what they did
// with the table.
func (m *messages) tryHeaders(ctx context.Context) (outcome, error) {
	folder := m.options.folder
	commands := [][]string{
		m.sdks[0].command,
		{m.sdks[1].command[0], filepath.Join(folder, "messages-node", "server.mjs")},
		{m.sdks[3].command[0], filepath.Join(folder, "messages-node", "server.py")},
	}
	cells := make([][]string, len(headerRows))
	for i, command := range commands {
		if err := tryServer(ctx, command, filepath.Join(folder, fmt.Sprintf("marks-%d", i)), cells); err != nil {
			return outcome{}, fmt.Errorf("%s: %w", headerServers[i], err)
		}
	}
	if m.options.record {
		if err := writeHeaderTable(cells); err != nil {
			return outcome{}, err
		}
	}
	recorded, err := headerTable()
	if err != nil {
		return outcome{}, err
	}
	for i, row := range headerRows {
		if line := headerLine(row.intent, cells[i]); recorded[i] != line {
			return outcome{got: fmt.Sprintf("%s instead of %s", line, recorded[i])}, nil
		}
	}
	return outcome{got: asDocumented, note: fmt.Sprintf("%d requests, %d servers", len(headerRows), len(commands))}, nil
}

const asDocumented = "as in docs/operations.md"

// tryServer adds a cell to each row.
func tryServer(ctx context.Context, command []string, file string, cells [][]string) (err error) {
	process := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], file)...)
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
	if err != nil {
		return err
	}
	if err := process.Start(); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, process.Process.Kill())
		_ = process.Wait() // it was killed
	}()
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return err
	}
	url := "http://" + strings.TrimSpace(address) + "/mcp"
	for i, row := range headerRows {
		mark := "row " + strconv.Itoa(i)
		status, answer, err := sendRow(ctx, url, row, mark)
		if err != nil {
			return err
		}
		// A call that agrees comes after it, so that a notification had its time.
		if _, _, err := sendRow(ctx, url, headerRows[0], mark+" is over"); err != nil {
			return err
		}
		marks, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		cells[i] = append(cells[i], cellOf(status, answer, strings.Contains(string(marks), mark+"\n")))
	}
	return nil
}

// cellOf says what a server did. Of a prompt and a resource the answer tells.
func cellOf(status int, answer string, ran bool) string {
	switch {
	case ran:
		return "runs it"
	case status == http.StatusOK && strings.Contains(answer, `"result"`):
		return "runs it"
	case status == http.StatusOK:
		return "error in 200"
	}
	return strconv.Itoa(status)
}

func sendRow(ctx context.Context, url string, row headerRow, mark string) (status int, answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	body := strings.NewReader(strings.Replace(row.body, "MARK", mark, 1))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return 0, "", err
	}
	for _, line := range []string{
		"content-type: application/json", "accept: application/json, text/event-stream",
		"mcp-protocol-version: 2026-07-28", "mcp-method: tools/call", "mcp-name: a",
	} {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
	for _, line := range row.lines {
		name, _, _ := strings.Cut(line, ": ")
		request.Header.Del(name)
	}
	for _, line := range row.lines {
		if name, value, has := strings.Cut(line, ": "); has {
			request.Header.Add(name, value)
		}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

const (
	operationsPage = "../../docs/operations.md"
	tableHead      = "| a POST of 2026-07-28 that calls a tool, where "
)

func headerLine(intent string, cells []string) string {
	return "| " + intent + " | " + strings.Join(cells, " | ") + " |"
}

// headerTable are the lines of the table, without its head.
func headerTable() ([]string, error) {
	page, err := os.ReadFile(operationsPage)
	if err != nil {
		return nil, err
	}
	_, table, found := strings.Cut(string(page), tableHead)
	lines := strings.Split(table, "\n")
	if !found || len(lines) < len(headerRows)+2 {
		return nil, errors.New(operationsPage + " has no table of servers that check the headers")
	}
	return lines[2 : len(headerRows)+2], nil
}

func writeHeaderTable(cells [][]string) error {
	page, err := os.ReadFile(operationsPage)
	if err != nil {
		return err
	}
	before, table, found := strings.Cut(string(page), tableHead)
	_, after, hasEnd := strings.Cut(table, "\n\n")
	if !found || !hasEnd {
		return errors.New(operationsPage + " has no table of servers that check the headers")
	}
	lines := []string{tableHead + "| " + strings.Join(headerServers, " | ") + " |", strings.Repeat("|---", len(headerServers)+1) + "|"}
	for i, row := range headerRows {
		lines = append(lines, headerLine(row.intent, cells[i]))
	}
	return os.WriteFile(operationsPage, []byte(before+strings.Join(lines, "\n")+"\n\n"+after), 0o644)
}

// TestHeaderTable: the page has a line of each row, in order, with a cell of each
// server. `make interop` compares the cells.
func TestHeaderTable(t *testing.T) {
	lines, err := headerTable()
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range headerRows {
		if !strings.HasPrefix(lines[i], "| "+row.intent+" | ") || strings.Count(lines[i], " | ") != len(headerServers) {
			t.Errorf("line %d: %s", i, lines[i])
		}
	}
}

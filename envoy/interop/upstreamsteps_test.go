package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/doorward/doorward/internal/checkwire"
)

// How handles are carried.
const (
	inHeader  = "header"
	inBaggage = "baggage"
)

// otherProject is the audience of the tokens for another MCP server.
const otherProject = "295000000000000009"

const (
	handleName = checkwire.Reserved + "handle"

	ofAlice         = "aud https://api.example.com, act svc, sub alice"
	refusedExchange = "403 exchange_refused"
	ofMachine       = "aud https://api.example.com, act svc, sub svc"
)

func (m *middle) steps() []step {
	all := []step{{name: "the authorization server starts", wanted: "up", vital: true, do: m.zitadel.starts}}
	for _, c := range callers {
		all = append(all, m.byHeader(c)...)
		all = append(all, m.byBaggage(c)...)
	}
	return all
}

// byHeader are the steps with a server whose tool copies the header.
func (m *middle) byHeader(c caller) []step {
	opens := step{name: c.name + ", which copies the header", wanted: "up", vital: true, do: m.opens(c, inHeader)}
	all := []step{
		opens,
		{name: "the tool of the document", wanted: ofAlice, do: m.calls(c, "a call by alice", attempt{user: alice, tool: "forecast"})},
		{name: "for another user", wanted: ofMachine, do: m.calls(c, "a call by another user", attempt{user: machine, tool: "forecast"})},
	}
	for _, row := range []struct {
		intent, wanted string
		send           headers
	}{
		{"no handle", refusedExchange, noHandle},
		{"the token of its user, from an argument", "403 passthrough", userToken},
		{"that token in another header, beside its handle", "403 passthrough", userTokenBesideHandle},
		{"a token exchanged for another MCP server", "403 passthrough", exchangedFor(otherProject)},
		{"a token exchanged for this API, without a handle", refusedExchange, exchangedFor(destination)},
		{"the handle of another MCP server", refusedExchange, otherHandle},
		{"a handle in which one character is another one", refusedExchange, changedHandle},
		{"its handle, and an opaque token in `authorization`", ofAlice, handleAndOpaque},
	} {
		all = append(all, step{name: row.intent, wanted: row.wanted, do: m.forwards(c, row.intent, row.send)})
	}
	opens.name, opens.do = c.name+", which keeps sessions", m.opens(c, inHeader, "sessions")
	return append(all, opens, step{
		name: "another user in the session of alice", wanted: ofMachine,
		do: m.calls(c, "another user's call in the session of alice", attempt{user: machine, tool: "forecast", opened: alice}),
	})
}

// byBaggage are the steps with a server whose tool has no code for it.
func (m *middle) byBaggage(c caller) []step {
	opens := step{name: c.name + " with " + c.traces, wanted: "up", vital: true, do: m.opens(c, inBaggage)}
	sessions := opens
	sessions.name, sessions.do = opens.name+", which keeps sessions", m.opens(c, inBaggage, "sessions")
	return []step{
		opens,
		{name: "a tool without code for it", wanted: ofAlice, do: m.calls(c, "a call by alice", attempt{user: alice, tool: "traced"})},
		{
			name: "the client has baggage of its own", wanted: ofAlice + ", baggage team=red",
			do: m.calls(c, "a call with `baggage: team=red`", attempt{user: alice, tool: "traced", baggage: own("team=red")}),
		},
		{
			name: "the client sends the handle of another user", wanted: ofMachine + ", baggage team=red",
			do: m.calls(c, "another user's call, with the handle of alice in its own baggage", attempt{
				user: machine, tool: "traced", baggage: m.forged("team=red," + handleName + "="),
			}),
		},
		{
			name: "in another spelling, in another line", wanted: ofMachine + ", baggage team=red",
			do: m.calls(c, "the same in another spelling and a second line", attempt{
				user: machine, tool: "traced", baggage: m.forged("team=red", "%78-MCP-auth_handle=a,x-mcp-auth-handle = "),
			}),
		},
		{
			name: "a token too long for a handle, and that of alice", wanted: refusedExchange,
			do: m.calls(c, "a call with a token too long for a handle, and the handle of alice in its own baggage", attempt{
				user: wordy, tool: "traced", baggage: m.forged("team=red," + handleName + "="),
			}),
		},
		m.fills(c, c.members-1, 1, c.filled),
		m.fills(c, c.members, 1, refusedExchange),
		m.fills(c, 1, 4100, c.long),
		m.fills(c, 2, 4050, refusedExchange),
		sessions,
		{
			name: "another user in the session of alice", wanted: c.sessions,
			do: m.calls(c, "another user's call in the session of alice", attempt{user: machine, tool: "traced", opened: alice}),
		},
	}
}

// fills is a call with as many members in the client's own baggage.
func (m *middle) fills(c caller, members, size int, wanted string) step {
	var all []string
	for i := range members {
		all = append(all, fmt.Sprintf("m%d=%s", i, strings.Repeat("v", size)))
	}
	line := strings.Join(all, ",")
	intent := fmt.Sprintf("a call with baggage of %d bytes, in members: %d", len(line), members)
	return step{
		name: fmt.Sprintf("baggage of %d bytes, members: %d", len(line), members), wanted: wanted,
		do: m.calls(c, intent, attempt{user: alice, tool: "traced", baggage: own(line)}),
	}
}

// attempt is a call of a tool.
type attempt struct {
	user    user
	tool    string
	opened  user // the session, before; nil: there is no session
	baggage func(context.Context) ([]string, error)
}

func own(lines ...string) func(context.Context) ([]string, error) {
	return func(context.Context) ([]string, error) { return lines, nil }
}

// forged are lines of baggage of which the last ends with the handle of alice.
func (m *middle) forged(lines ...string) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		handle, err := m.handle(ctx)
		if err != nil {
			return nil, err
		}
		all := append([]string(nil), lines...)
		all[len(all)-1] += handle
		return all, nil
	}
}

// calls makes one call, and looks at what arrives at the API.
func (m *middle) calls(c caller, intent string, a attempt) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) {
		header := http.Header{}
		if a.baggage != nil {
			lines, err := a.baggage(ctx)
			if err != nil {
				return outcome{}, err
			}
			header["Baggage"] = lines
		}
		if a.opened != nil {
			session, err := m.session(ctx, a.opened)
			if err != nil {
				return outcome{}, err
			}
			header.Set("Mcp-Session-Id", session)
		}
		token, err := a.user(ctx, m)
		if err != nil {
			return outcome{}, err
		}
		m.reached()
		text, err := m.callTool(ctx, m.service.resource, token, header, a.tool, map[string]any{"city": "Bern"})
		if err != nil {
			return outcome{}, err
		}
		if text, err = m.look(text, token); err != nil {
			return outcome{}, err
		}
		by := m.carry
		if by == inBaggage {
			by += ", " + c.traces
		}
		return outcome{got: text, cells: []string{c.name, by, intent, text}}, nil
	}
}

// look adds to the answer of a tool what else arrived at the API. Where the tool's request was refused none arrived;
// otherwise one, with nothing of doorward and without the user's token.
func (m *middle) look(text, token string) (string, error) {
	arrived := m.reached()
	if !strings.HasPrefix(text, "200 ") && !strings.HasPrefix(text, "aud ") {
		return refusal(text, len(arrived))
	}
	if len(arrived) != 1 {
		return "", fmt.Errorf("%d requests reached the API", len(arrived))
	}
	for name, values := range arrived[0].Header {
		all := strings.ToLower(name + " " + strings.Join(values, " "))
		if strings.Contains(all, checkwire.Reserved) || strings.Contains(all, strings.ToLower(token)) {
			return "", fmt.Errorf("%s reached the API", name)
		}
	}
	text = strings.TrimPrefix(text, "200 ")
	switch seen := strings.Join(arrived[0].Header["Baggage"], ","); {
	case len(seen) > 100:
		return fmt.Sprintf("%s, baggage of %d bytes", text, len(seen)), nil
	case seen != "":
		return text + ", baggage " + seen, nil
	}
	return text, nil
}

// refusal is the status and the reason of a refusal, as the server saw it.
func refusal(text string, arrived int) (string, error) {
	status, body, _ := strings.Cut(text, " ")
	var answer struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return "", fmt.Errorf("%q: %w", text, err)
	}
	if arrived != 0 {
		return "", fmt.Errorf("%s, and %d requests reached the API", text, arrived)
	}
	return status + " " + answer.Error, nil
}

// forwards lets the server send headers that the client names.
func (m *middle) forwards(c caller, intent string, send headers) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) {
		all, err := send(ctx, m)
		if err != nil {
			return outcome{}, err
		}
		token, err := alice(ctx, m)
		if err != nil {
			return outcome{}, err
		}
		m.reached()
		text, err := m.callTool(ctx, m.service.resource, token, nil, "forward", map[string]any{"headers": all})
		if err != nil {
			return outcome{}, err
		}
		if text, err = m.look(text, token); err != nil {
			return outcome{}, err
		}
		return outcome{got: text, words: []string{c.name, intent, text}}, nil
	}
}

// handle is one of alice's, as it arrives at the MCP server.
func (m *middle) handle(ctx context.Context) (string, error) {
	token, err := alice(ctx, m)
	if err != nil {
		return "", err
	}
	return m.handleOf(ctx, m.service.resource, token)
}

func (m *middle) handleOf(ctx context.Context, resource, token string) (string, error) {
	name := handleName
	if m.carry == inBaggage {
		name = inBaggage
	}
	handle, err := m.callTool(ctx, resource, token, nil, "received", map[string]any{"name": name})
	handle = strings.TrimPrefix(handle, handleName+"=")
	if err == nil && handle == "" {
		err = errors.New("the server got no handle")
	}
	return handle, err
}

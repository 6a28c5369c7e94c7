package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// chromium is a headless Chromium, driven over its remote debugging pipe: messages
// of JSON, each ended by NUL, on the file descriptors 3 and 4.
type chromium struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	next    int
	session string // of the only page
}

// startChromium runs a program with a profile of its own.
func startChromium(ctx context.Context, program, profile string) (*chromium, error) {
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), in.Close())
	}
	// Its sandbox needs a user who is not root, or user namespaces; the page is ours.
	command := exec.CommandContext(context.WithoutCancel(ctx), program, "--headless", "--remote-debugging-pipe", "--no-sandbox",
		"--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--user-data-dir="+profile, "--window-size=1000,320", "about:blank")
	command.ExtraFiles = []*os.File{theirIn, theirOut}
	err = errors.Join(command.Start(), theirIn.Close(), theirOut.Close())
	return &chromium{command: command, in: in, out: bufio.NewReader(out)}, err
}

func (c *chromium) stop() {
	if c == nil {
		return
	}
	c.session = ""
	if _, err := c.call("Browser.close", nil); err != nil {
		_ = c.command.Process.Kill()
	}
	_ = c.in.Close()
	_ = c.command.Wait() // how it exits is no matter
}

// call sends a command and waits for its answer; events are passed over.
func (c *chromium) call(method string, params any) (json.RawMessage, error) {
	c.next++
	message := map[string]any{"id": c.next, "method": method}
	if params != nil {
		message["params"] = params
	}
	if c.session != "" {
		message["sessionId"] = c.session
	}
	text, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	if _, err := c.in.Write(append(text, 0)); err != nil {
		return nil, err
	}
	for {
		text, err := c.out.ReadBytes(0)
		if err != nil {
			return nil, fmt.Errorf("%s: chromium ended: %w", method, err)
		}
		var answer struct {
			ID     int             `json:"id"`
			Result json.RawMessage `json:"result"`
			Error  json.RawMessage `json:"error"`
		}
		if err := json.Unmarshal(text[:len(text)-1], &answer); err != nil {
			return nil, err
		}
		if answer.ID != c.next {
			continue
		}
		if answer.Error != nil {
			return nil, fmt.Errorf("%s: %s", method, answer.Error)
		}
		return answer.Result, nil
	}
}

// open shows a page in a tab of its own.
func (c *chromium) open(url string) error {
	c.session = ""
	var target struct {
		TargetID string `json:"targetId"`
	}
	result, err := c.call("Target.createTarget", map[string]any{"url": url})
	if err == nil {
		err = json.Unmarshal(result, &target)
	}
	if err != nil {
		return err
	}
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	if result, err = c.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}); err == nil {
		err = json.Unmarshal(result, &attached)
	}
	c.session = attached.SessionID
	return err
}

// evaluate is the value of an expression in the page, as JSON. It is empty while
// the page is being left for another.
func (c *chromium) evaluate(expression string) (json.RawMessage, error) {
	result, err := c.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
	}
	err = json.Unmarshal(result, &answer)
	return answer.Result.Value, err
}

// until waits until the title of the page is as wanted.
func (c *chromium) until(ctx context.Context, title string) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		found, err := c.evaluate("document.title")
		if err == nil && string(found) == fmt.Sprintf("%q", title) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the title is %s: %w", found, errors.Join(ctx.Err(), err))
		}
	}
}

// screenshot is what the page shows, as PNG.
func (c *chromium) screenshot() ([]byte, error) {
	result, err := c.call("Page.captureScreenshot", map[string]any{"format": "png"})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data []byte `json:"data"`
	}
	err = json.Unmarshal(result, &answer)
	return answer.Data, err
}

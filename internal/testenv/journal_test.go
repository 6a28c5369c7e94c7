package testenv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

func TestJournalFindsALineThatIsThere(t *testing.T) {
	var j LogBuffer
	fmt.Fprint(&j, "one\ntwo words\ntwo more words\n")
	line, err := j.Wait(t.Context(), "two", "more")
	if err != nil || line != "two more words" {
		t.Errorf("Wait = %q, %v", line, err)
	}
}

func TestJournalWaitsForTheWholeLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j LogBuffer
		found := make(chan string, 1)
		go func() {
			line, _ := j.Wait(t.Context(), "ready")
			found <- line
		}()
		for _, part := range []string{"not yet\n", "ready", " now"} {
			fmt.Fprint(&j, part)
			synctest.Wait()
			if len(found) > 0 {
				t.Fatalf("found %q before the end of the line", <-found)
			}
		}
		fmt.Fprint(&j, "\n")
		if line := <-found; line != "ready now" {
			t.Errorf("found %q", line)
		}
	})
}

func TestJournalStopsWaitingWithItsContext(t *testing.T) {
	var j LogBuffer
	fmt.Fprint(&j, "something else\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := j.Wait(ctx, "ready")
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "something else") {
		t.Errorf("Wait: %v", err)
	}
}

// Command scale measures what doorward costs against the number of its resources:
// check, a start, a reload, memory, and a Check.
//
//	go run ./benchmarks/scale
//	go run ./benchmarks/scale -numbers 1,20000
//
// Costs are processor time, because a wall clock also measures what else the machine
// does. Each number of resources has up to 200 issuers with keys in files. It prints
// a table, and it never fails for a cost.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/testenv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends us at once
	traffic.Tune()
	numbers := flag.String("numbers", "1,10,100,1000,10000,20000,100000", "how many resources, as a `list`")
	flag.Parse()
	if err := work(ctx, os.Stdout, strings.Split(*numbers, ",")); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

// work prints one line for each number.
func work(ctx context.Context, out io.Writer, numbers []string) (err error) {
	folder, err := os.MkdirTemp("", "doorward-scale-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	programs, err := testenv.Build(ctx, folder, "cmd/doorward")
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%9s %8s %9s %9s %10s %9s %10s %11s %11s\n",
		"resources", "issuers", "check", "start", "at rest", "reload", "its peak", "a Check", "at 1000")
	for _, text := range numbers {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no number of resources", text)
		}
		f, err := measure(ctx, programs[0], newWorld(filepath.Join(folder, text), n))
		if err != nil {
			return fmt.Errorf("%d resources: %w", n, err)
		}
		_, _ = fmt.Fprintf(out, "%9d %8d %8.2fs %8.2fs %7d MB %8.2fs %7d MB %8.1f µs %8.1f µs\n",
			n, min(n, mostIssuers),
			f.check.Seconds(), f.start.Seconds(), f.rest>>20, f.reload.Seconds(), f.peak>>20,
			microseconds(f.oneCheck), microseconds(f.spreadCheck))
	}
	return nil
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// figures are the costs of one number of resources.
type figures struct {
	check, start, reload time.Duration // processor time
	oneCheck             time.Duration // the same, of a Check of a token that was seen before, all at one resource
	spreadCheck          time.Duration // the same, at 1000 resources or all in turn
	rest, peak           int64         // bytes: resident at rest, and at the peak of a reload
}

// restFor is how long doorward is idle before its memory is read.
const restFor = 3 * time.Second

func measure(ctx context.Context, program string, w *world) (f figures, err error) {
	if err := w.write(); err != nil {
		return f, err
	}
	if f.check, err = check(ctx, program, w.folder); err != nil {
		return f, err
	}
	d, err := testenv.StartDoorward(ctx, testenv.DoorwardOptions{
		Program: program, Dir: w.folder, Config: "log: {level: warn}\n", Args: []string{"--config", resourcesFolder},
	})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, d.Stop()) }()
	if f.start, err = d.CPU(); err != nil {
		return f, err
	}
	time.Sleep(restFor)
	if f.rest, _, err = d.Memory(); err != nil {
		return f, err
	}
	if f.reload, err = reload(ctx, d, w); err != nil {
		return f, err
	}
	if _, f.peak, err = d.Memory(); err != nil {
		return f, err
	}
	if f.oneCheck, err = checks(ctx, d, w.requests(1)); err != nil {
		return f, err
	}
	f.spreadCheck, err = checks(ctx, d, w.requests(tokens))
	return f, err
}

// check is the processor time of doorward check.
func check(ctx context.Context, program, folder string) (time.Duration, error) {
	command := exec.CommandContext(ctx, program, "check", "--config", resourcesFolder)
	command.Dir = folder
	if out, err := command.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("check: %w: %s", err, out[max(0, len(out)-300):])
	}
	return command.ProcessState.UserTime() + command.ProcessState.SystemTime(), nil
}

// reload changes one resource and waits until that is in force. It returns the
// processor time of the reload.
func reload(ctx context.Context, d *testenv.Doorward, w *world) (time.Duration, error) {
	const series = "doorward_config_last_reload_success_timestamp_seconds"
	before, err := d.Metric(ctx, series)
	if err != nil {
		return 0, err
	}
	used, err := d.CPU()
	if err != nil {
		return 0, err
	}
	if err := w.change(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := testenv.Poll(ctx, func(ctx context.Context) (bool, error) {
		now, err := d.Metric(ctx, series)
		return err == nil && now != before, err
	}); err != nil {
		return 0, err
	}
	time.Sleep(time.Second) // memory returns to the kernel
	after, err := d.CPU()
	return after - used, err
}

// Checks of a measurement, and how many are under way.
const (
	warm, counted, underWay = 4_000, 40_000, 16
)

// checks is the processor time of doorward for one of these Checks.
func checks(ctx context.Context, d *testenv.Doorward, requests [][]byte) (time.Duration, error) {
	client, err := traffic.Dial(ctx, d.GRPC)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	call := client.Cycle(requests)
	if allowed, _ := traffic.Saturate(ctx, call, warm, underWay); allowed != warm {
		return 0, fmt.Errorf("%d of %d Checks were allowed", allowed, warm)
	}
	before, err := d.CPU()
	if err != nil {
		return 0, err
	}
	if allowed, _ := traffic.Saturate(ctx, call, counted, underWay); allowed != counted {
		return 0, fmt.Errorf("%d of %d Checks were allowed", allowed, counted)
	}
	after, err := d.CPU()
	return (after - before) / counted, err
}

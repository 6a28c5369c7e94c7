//go:build !linux

package traffic

import "time"

type pause struct{}

func newPause() (pause, error) { return pause{}, nil }

func (pause) sleep(d time.Duration) { time.Sleep(d) }

func (pause) close() {}

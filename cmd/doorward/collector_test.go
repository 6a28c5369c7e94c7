package main

import (
	"errors"
	"math"
	"testing"
)

func TestChooseCollector(t *testing.T) {
	for _, row := range []struct {
		intent      string
		environment map[string]string
		cgroup      uint64 // 0: none
		want        collector
	}{
		{"nobody says anything", nil, 0, collector{percent: 400, floor: heapFloor}},
		{"a container has a limit", nil, 1 << 30, collector{percent: 400, limit: (1 << 30) / 10 * 9, floor: heapFloor}},
		{"a container has a small limit", nil, 100 << 20, collector{percent: 400, limit: (100 << 20) / 10 * 9}},
		{"the environment says how often", map[string]string{"GOGC": "100"}, 1000, collector{limit: 900}},
		{"the environment says off", map[string]string{"GOGC": "off"}, 0, collector{}},
		{"the environment says how much", map[string]string{"GOMEMLIMIT": "1GiB"}, 1000, collector{percent: 400, floor: heapFloor}},
		{"a limit that is none", nil, math.MaxUint64, collector{percent: 400, floor: heapFloor}},
	} {
		t.Run(row.intent, func(t *testing.T) {
			environment := func(name string) string { return row.environment[name] }
			cgroup := func() (uint64, error) {
				if row.cgroup == 0 {
					return 0, errors.New("no cgroup")
				}
				return row.cgroup, nil
			}
			if got := chooseCollector(environment, cgroup); got != row.want {
				t.Errorf("got %+v, want %+v", got, row.want)
			}
		})
	}
}

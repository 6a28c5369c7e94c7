// Package gobench reads what `go test -bench` prints.
package gobench

import (
	"strconv"
	"strings"
)

// Values are the measurements of one benchmark by unit ("ns/op", "allocs/op",
// ...), one for each round.
type Values map[string][]float64

// Parse reads lines such as "BenchmarkHotCheck-2 1000 5 ns/op 1 B/op". The keys
// are names without "Benchmark" and without the number of processors; lines of
// any other form are ignored.
func Parse(out string) map[string]Values {
	all := map[string]Values{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if dash := strings.LastIndexByte(name, '-'); dash > 0 {
			name = name[:dash]
		}
		if all[name] == nil {
			all[name] = Values{}
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if value, err := strconv.ParseFloat(fields[i], 64); err == nil {
				all[name][fields[i+1]] = append(all[name][fields[i+1]], value)
			}
		}
	}
	return all
}

package config

import (
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Size is a number of bytes. It is written with its unit: "512B", "16KiB", "64MiB",
// "1GiB".
type Size int64

// String writes the size in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && s%u.bytes == 0 {
			return fmt.Sprintf("%d%s", int64(s/u.bytes), u.name)
		}
	}
	return "0B"
}

// units is from large to small. "B" comes last: every other name ends in it.
var units = []struct {
	name  string
	bytes Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// scalar reads a single value into a pointer to one of the document's types.
func (r *reader) scalar(n *yaml.Node, path string, into any, f field) {
	if n.Kind != yaml.ScalarNode {
		r.wrongType(n, path, "one value", "write it on the line of its key")
		return
	}
	switch into := into.(type) {
	case *string:
		r.text(n, path, into, f)
	case *bool:
		if n.ShortTag() != "!!bool" {
			r.wrongType(n, path, "true or false", "write true or false")
			return
		}
		*into = strings.EqualFold(n.Value, "true")
	case *int:
		r.whole(n, path, into)
	case *float64:
		r.fraction(n, path, into)
	case *time.Duration:
		r.duration(n, path, into)
	case *Size:
		r.size(n, path, into)
	case *fs.FileMode:
		r.mode(n, path, into)
	case *slog.Level:
		r.level(n, path, into)
	default:
		panic(fmt.Sprintf("config: the schema has a type without a reader at %s: %T", path, into))
	}
}

func (r *reader) text(n *yaml.Node, path string, into *string, f field) {
	switch {
	case n.ShortTag() != "!!str" && f.words != nil:
		r.notAmong(n, path, f.words)
	case n.ShortTag() != "!!str":
		r.wrongType(n, path, "text", fmt.Sprintf("write %q in quotes", n.Value))
	case n.Value == "":
		r.refuse(n, path, path+" is empty", "write a value, or remove it")
	case f.words != nil && !slices.Contains(f.words, n.Value):
		r.notAmong(n, path, f.words)
	case f.path:
		*into = r.resolve(n.Value)
	default:
		*into = n.Value
	}
}

func (r *reader) notAmong(n *yaml.Node, path string, words []string) {
	fix := "write " + strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
	if meant := Nearest(n.Value, words); meant != "" {
		fix = "did you mean " + meant + "?"
	}
	r.refuse(n, path, fmt.Sprintf("%s cannot be %q", path, n.Value), fix)
}

func (r *reader) whole(n *yaml.Node, path string, into *int) {
	i, err := strconv.Atoi(n.Value)
	if n.ShortTag() != "!!int" || err != nil || strconv.Itoa(i) != n.Value {
		r.refuse(n, path, fmt.Sprintf("%s must be a whole number, not %s", path, quoted(n)),
			"write it in decimal digits alone")
		return
	}
	*into = i
}

// fraction reads a number in decimal digits: not every YAML reader takes 1e-1 or
// .5 for one.
func (r *reader) fraction(n *yaml.Node, path string, into *float64) {
	f, err := strconv.ParseFloat(n.Value, 64)
	if kindOf(n) != "a number" || err != nil || !regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`).MatchString(n.Value) {
		r.refuse(n, path, fmt.Sprintf("%s must be a number, not %s", path, quoted(n)),
			"write it in decimal digits, such as 0.1")
		return
	}
	*into = f
}

func (r *reader) duration(n *yaml.Node, path string, into *time.Duration) {
	if kindOf(n) == "a number" {
		r.refuse(n, path, path+" is a number without a unit", "write "+n.Value+"s if seconds are meant")
		return
	}
	d, err := time.ParseDuration(n.Value)
	switch days, isDays := strings.CutSuffix(n.Value, "d"); {
	case n.ShortTag() != "!!str" || (err != nil && !isDays):
		r.refuse(n, path, fmt.Sprintf("%s must be a duration, not %s", path, quoted(n)),
			"write a number and a unit, such as 500ms, 30s, 5m or 24h")
	case err != nil:
		fix := "write hours, such as 24h"
		if count, err := strconv.Atoi(days); err == nil && count > 0 && count < 10_000 {
			fix = fmt.Sprintf("write %dh", count*24)
		}
		r.refuse(n, path, path+" is in days, which have no fixed length", fix)
	case d < 0:
		r.refuse(n, path, path+" is negative", "write a duration such as 30s")
	default:
		*into = d
	}
}

// size reads a number with its unit. Powers of ten are refused, not guessed.
func (r *reader) size(n *yaml.Node, path string, into *Size) {
	m := regexp.MustCompile(`^([0-9]{1,19}) ?([A-Za-z]*)$`).FindStringSubmatch(n.Value)
	if m == nil {
		r.refuse(n, path, fmt.Sprintf("%s must be a size, not %s", path, quoted(n)),
			"write a number and a unit, such as 512B, 16KiB or 64MiB")
		return
	}
	count, err := strconv.ParseInt(m[1], 10, 64)
	for _, u := range units {
		switch {
		case n.Value != m[1]+u.name:
			continue
		case err != nil || count > int64(math.MaxInt64/u.bytes):
			r.refuse(n, path, path+" is too large", "write a size such as 64MiB")
		default:
			*into = Size(count) * u.bytes
		}
		return
	}
	unit := "B"
	if m[2] != "" {
		unit = Nearest(m[2], []string{"KiB", "MiB", "GiB"})
		if unit == "" || !strings.EqualFold(unit[:1], m[2][:1]) {
			unit = "KiB"
		}
	}
	what := path + " is a number without a unit"
	if m[2] != "" {
		what = fmt.Sprintf("%s cannot be %q", path, n.Value)
	}
	r.refuse(n, path, what, "write "+m[1]+unit+"; the units are B, KiB, MiB and GiB")
}

// mode reads a permission. It must be in quotes: what a bare 0660 means
// differs from one YAML reader to the next.
func (r *reader) mode(n *yaml.Node, path string, into *fs.FileMode) {
	octal := regexp.MustCompile(`^0?[0-7]{3}$`).MatchString(n.Value)
	switch {
	case n.ShortTag() != "!!str" && octal:
		r.refuse(n, path, path+" is a number without quotes",
			fmt.Sprintf("write %q in quotes", "0"+n.Value[len(n.Value)-3:]))
	case n.ShortTag() != "!!str" || !octal:
		r.refuse(n, path, fmt.Sprintf("%s must be a permission in octal, not %s", path, quoted(n)),
			`write it in quotes, such as "0660"`)
	default:
		bits, _ := strconv.ParseUint(n.Value, 8, 32)
		*into = fs.FileMode(bits)
	}
}

func (r *reader) level(n *yaml.Node, path string, into *slog.Level) {
	words := []string{"debug", "info", "warn", "error"}
	levels := []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	i := slices.Index(words, n.Value)
	if i < 0 || n.ShortTag() != "!!str" {
		r.notAmong(n, path, words)
		return
	}
	*into = levels[i]
}

// quoted shows a value as it was written, cut short.
func quoted(n *yaml.Node) string {
	if len(n.Value) > 40 {
		return kindOf(n)
	}
	return strconv.Quote(n.Value)
}

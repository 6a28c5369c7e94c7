package config

import "strings"

// longestWord bounds the time of a suggestion, in bytes. A misspelt key is shorter.
const longestWord = 256

// Nearest returns the candidate that word most likely misspells, or "" if no
// candidate is close enough.
func Nearest(word string, candidates []string) string {
	if word == "" || len(word) > longestWord {
		return ""
	}
	best, found := 1+max(1, len(word)/3), ""
	for _, c := range candidates {
		if len(c) > longestWord {
			continue
		}
		if d := distance(normalized(word), normalized(c)); d < best {
			best, found = d, c
		}
	}
	if found != "" || len(word) < 3 {
		return found
	}
	for _, c := range candidates {
		if strings.HasPrefix(normalized(word), normalized(c)) || strings.HasPrefix(normalized(c), normalized(word)) {
			return c
		}
	}
	return ""
}

// normalized returns a key in lower case, with underscores instead of hyphens.
func normalized(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "-", "_")
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}

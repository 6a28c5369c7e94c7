package regotest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/doorward/doorward/internal/policy"
)

// describe writes the members of an input that differ from doorward.request({}),
// which are those that its author wrote. Any other input is written as it is.
func describe(ctx context.Context, suite *policy.Suite, input ast.Value) string {
	argument, err := ast.JSON(input)
	if err != nil {
		return err.Error()
	}
	results, err := rego.New(
		rego.Query("data.doorward.request({})"), rego.Compiler(suite.Compiler), rego.Store(suite.Store),
	).Eval(ctx)
	if err != nil || len(results) != 1 {
		return compact(argument)
	}
	plain, _ := results[0].Expressions[0].Value.(map[string]any)
	changed, ok := argument.(map[string]any)
	var parts []string
	if _, present := changed["token"]; ok && !present && changed["claims"] == nil {
		parts = append(parts, "no token")
		delete(plain, "token")
		delete(plain, "claims")
	}
	if !ok || len(changed) != len(plain) {
		return compact(argument)
	}
	for _, section := range slices.Sorted(maps.Keys(plain)) {
		parts = append(parts, differences(section, plain[section], changed[section])...)
	}
	if len(parts) == 0 {
		return "as of doorward.request({})"
	}
	return strings.Join(parts, ", ") + "; the rest as of doorward.request({})"
}

// differences lists the members of a section that differ.
func differences(section string, plain, changed any) []string {
	before, beforeIs := plain.(map[string]any)
	after, afterIs := changed.(map[string]any)
	if !beforeIs || !afterIs {
		if reflect.DeepEqual(plain, changed) {
			return nil
		}
		return []string{section + " " + compact(changed)}
	}
	all := maps.Clone(before)
	maps.Copy(all, after)
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch value, there := after[name]; {
		case !there:
			parts = append(parts, fmt.Sprintf("%s.%s left out", section, name))
		case !reflect.DeepEqual(before[name], value):
			parts = append(parts, fmt.Sprintf("%s.%s %s", section, name, compact(value)))
		}
	}
	return parts
}

func compact(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

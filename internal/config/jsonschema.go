package config

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"reflect"
	"strings"
	"time"
)

// Schema returns the JSON Schema (draft 7) of one configuration file, for editors.
// It is generated from the fields that [Load] reads, with their defaults. Every file
// that [Load] accepts fits it; [Load] also refuses files that fit it.
func Schema() []byte {
	start := defaults()
	schema := shapeOf(reflect.ValueOf(&start).Elem(), field{}, "")
	schema["$schema"] = "http://json-schema.org/draft-07/schema#"
	schema["title"] = "doorward.yaml"
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("config: the schema cannot be written: %v", err))
	}
	return append(text, '\n')
}

// shape is a JSON Schema.
type shape map[string]any

// shapeOf returns the schema of the value at a path. v holds the default.
func shapeOf(v reflect.Value, f field, path string) shape {
	s := bareShape(v, f, path)
	if text := descriptions[path]; text != "" {
		s["description"] = text
	}
	if f.reload != "" {
		s["x-reload"] = f.reload
	}
	return s
}

// durationPattern accepts what [time.ParseDuration] does, without a minus sign.
const durationPattern = `^\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`

// bareShape is [shapeOf] without description and reload behaviour.
func bareShape(v reflect.Value, f field, path string) shape {
	switch value := v.Interface().(type) {
	case jsonText:
		return shape{"anyOf": []shape{{"type": "object"}, {"type": "string"}}}
	case map[string]any:
		return shape{"type": "object"}
	case map[string]string:
		return shape{"type": "object", "additionalProperties": shape{"type": "string", "minLength": 1}}
	case scopeSets:
		return shape{"type": "object", "additionalProperties": textListShape()}
	case textLists:
		either := []shape{textShape(field{}), textListShape()}
		return shape{"type": "object", "additionalProperties": shape{"anyOf": either}}
	case operationName:
		return shape{"anyOf": []shape{textShape(field{}), mappingShape(v, path)}}
	case time.Duration:
		return withDefault(shape{"type": "string", "pattern": durationPattern}, brief(value), value != 0)
	case Size:
		return withDefault(shape{"type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$"}, value.String(), value != 0)
	case fs.FileMode:
		return withDefault(shape{"type": "string", "pattern": "^0?[0-7]{3}$"}, fmt.Sprintf("%04o", value), value != 0)
	case slog.Level:
		levels := []string{"debug", "info", "warn", "error"}
		return withDefault(shape{"enum": levels}, strings.ToLower(value.String()), true)
	}
	switch v.Kind() {
	case reflect.Struct:
		return mappingShape(v, path)
	case reflect.Slice:
		return listShape(v, f, path)
	case reflect.Bool:
		return shape{"type": "boolean", "default": v.Bool()}
	case reflect.Int:
		return withDefault(shape{"type": "integer"}, v.Int(), v.Int() != 0)
	case reflect.Float64:
		return withDefault(shape{"type": "number"}, v.Float(), v.Float() != 0)
	case reflect.String:
		return withDefault(textShape(f), v.String(), v.String() != "")
	default:
		panic(fmt.Sprintf("config: the schema has a type without a shape: %s", v.Type()))
	}
}

func mappingShape(v reflect.Value, path string) shape {
	properties := shape{}
	var required []string
	for _, f := range fieldsOf(v.Type()) {
		if f.later {
			continue
		}
		properties[f.key] = shapeOf(v.Field(f.index), f, join(path, f.key))
		if f.required {
			required = append(required, f.key)
		}
	}
	s := shape{"type": "object", "additionalProperties": false, "properties": properties}
	if required != nil {
		s["required"] = required
	}
	return s
}

func listShape(v reflect.Value, f field, path string) shape {
	element := reflect.New(v.Type().Elem()).Elem()
	defaultsOf(element)
	return withDefault(shape{"type": "array", "items": bareShape(element, f, path)}, v.Interface(), v.Len() > 0)
}

func textShape(f field) shape {
	if f.words != nil {
		return shape{"enum": f.words}
	}
	return shape{"type": "string", "minLength": 1}
}

func textListShape() shape { return shape{"type": "array", "items": textShape(field{})} }

func withDefault(s shape, value any, there bool) shape {
	if there {
		s["default"] = value
	}
	return s
}

// brief writes a duration without units of zero: 24h, not 24h0m0s.
func brief(d time.Duration) string {
	text := d.String()
	text = strings.Replace(text, "m0s", "m", 1)
	return strings.Replace(text, "h0m", "h", 1)
}

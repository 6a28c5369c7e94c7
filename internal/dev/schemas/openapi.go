package main

import (
	"encoding/json"
	"strings"
)

// object is a JSON object.
type object = map[string]any

const (
	reference  = "#/definitions/"
	objectMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
	quantity   = "io.k8s.apimachinery.pkg.api.resource.Quantity"
	draft7     = "http://json-schema.org/draft-07/schema#"
)

// ofOpenAPI adds the kinds of an OpenAPI document of Kubernetes to made. It returns the
// definitions, closed.
func ofOpenAPI(text []byte, made map[kind]object) (map[string]object, error) {
	var document struct{ Definitions map[string]object }
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	kinds := map[string]kind{}
	for name, definition := range document.Definitions {
		if k, ok := kindOf(definition); ok {
			kinds[name] = k
		}
		document.Definitions[name] = closed(definition)
	}
	if quantity := document.Definitions[quantity]; quantity != nil {
		quantity["type"] = []any{"string", "number"} // as the API server reads it
	}
	for name, k := range kinds {
		made[k] = complete(k, document.Definitions[name], document.Definitions)
	}
	return document.Definitions, nil
}

// kindOf is false for parts of kinds, and for what many kinds share, such as the options
// of a deletion.
func kindOf(definition object) (kind, bool) {
	names, _ := definition["x-kubernetes-group-version-kind"].([]any)
	if len(names) != 1 {
		return kind{}, false
	}
	name, _ := names[0].(object)
	group, _ := name["group"].(string)
	version, _ := name["version"].(string)
	its, _ := name["kind"].(string)
	return kind{group, version, its}, true
}

// complete returns the schema of a kind in a file of its own: its names are fixed, and the
// definitions that it refers to are in it.
func complete(k kind, definition object, definitions map[string]object) object {
	schema, properties := object{}, object{}
	for key, value := range definition {
		schema[key] = value
	}
	its, _ := definition["properties"].(object)
	for key, value := range its {
		properties[key] = value
	}
	properties["apiVersion"] = object{"const": k.apiVersion()}
	properties["kind"] = object{"const": k.name}
	required := []any{"apiVersion", "kind"}
	if more, ok := definition["required"].([]any); ok {
		required = append(required, more...)
	}
	schema["$schema"], schema["type"] = draft7, "object"
	schema["properties"], schema["required"] = properties, required
	used := map[string]object{}
	collect(properties, definitions, used)
	schema["definitions"] = used
	return schema
}

// collect adds the definitions to which a schema refers, and those to which they refer.
func collect(schema any, definitions, used map[string]object) {
	switch s := schema.(type) {
	case object:
		if to, ok := s["$ref"].(string); ok {
			name := strings.TrimPrefix(to, reference)
			if used[name] == nil && definitions[name] != nil {
				used[name] = definitions[name]
				collect(used[name], definitions, used)
			}
		}
		for _, value := range s {
			collect(value, definitions, used)
		}
	case []any:
		for _, value := range s {
			collect(value, definitions, used)
		}
	}
}

// closed returns a structural schema in which an object has no fields besides its
// properties. It keeps allOf, anyOf, oneOf and not as they are, since they only add to
// properties that are declared beside them.
func closed(schema object) object {
	next := object{}
	for key, value := range schema {
		switch {
		case key == "properties":
			next[key] = closedAll(value)
		case key == "items" || key == "additionalProperties":
			next[key] = closedOne(value)
		case key == "description" || key == "default" || key == "example" || strings.HasPrefix(key, "x-"):
			// None of them is checked.
		default:
			next[key] = value
		}
	}
	if schema["format"] == "int-or-string" || schema["x-kubernetes-int-or-string"] == true {
		delete(next, "format")
		next["type"] = []any{"integer", "string"}
	}
	_, hasProperties := schema["properties"]
	_, hasMore := schema["additionalProperties"]
	if hasProperties && !hasMore && schema["x-kubernetes-preserve-unknown-fields"] != true {
		next["additionalProperties"] = false
	}
	exclude(next, "exclusiveMinimum", "minimum")
	exclude(next, "exclusiveMaximum", "maximum")
	if t, ok := next["type"].(string); ok && schema["nullable"] == true {
		next["type"] = []any{t, "null"}
	}
	delete(next, "nullable")
	return next
}

// exclude turns the boolean beside a limit, as OpenAPI has it, into the limit of draft 7.
// kubeconform reports a schema that is not valid as one that is missing.
func exclude(schema object, keyword, limit string) {
	excluded, ok := schema[keyword].(bool)
	if !ok {
		return
	}
	delete(schema, keyword)
	if excluded {
		schema[keyword] = schema[limit]
		delete(schema, limit)
	}
}

func closedAll(properties any) any {
	all, _ := properties.(object)
	next := object{}
	for name, property := range all {
		next[name] = closedOne(property)
	}
	return next
}

// closedOne leaves what is no object, such as `additionalProperties: true`.
func closedOne(schema any) any {
	if one, ok := schema.(object); ok {
		return closed(one)
	}
	return schema
}

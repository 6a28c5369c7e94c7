package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// customResource is what a CustomResourceDefinition says of its versions.
type customResource struct {
	Kind string
	Spec struct {
		Group    string
		Names    struct{ Kind string }
		Versions []struct {
			Name   string
			Schema struct {
				OpenAPI object `yaml:"openAPIV3Schema"`
			}
		}
	}
}

// ofCustomResources adds each version of each kind that the documents of a YAML file
// define to made. Other documents are left out.
func ofCustomResources(text []byte, definitions map[string]object, made map[kind]object) error {
	meta := definitions[objectMeta]
	if meta == nil {
		return fmt.Errorf("the definition of metadata is missing: put the source of %s before this one", objectMeta)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var crd customResource
		err := decoder.Decode(&crd)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if crd.Kind != "CustomResourceDefinition" {
			continue
		}
		for _, version := range crd.Spec.Versions {
			k := kind{crd.Spec.Group, version.Name, crd.Spec.Names.Kind}
			definition := closed(version.Schema.OpenAPI)
			properties, _ := definition["properties"].(object)
			if properties == nil {
				return fmt.Errorf("%s of %s has no properties", version.Name, k.name)
			}
			properties["metadata"] = object{"$ref": reference + objectMeta}
			made[k] = complete(k, definition, definitions)
		}
	}
}

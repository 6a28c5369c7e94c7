package mcp

import (
	"slices"
	"testing"

	"github.com/doorward/doorward/internal/testenv/readers"
)

// accepted is what Read makes of a document, false where it refuses it.
func accepted(document string) ([]readers.Operation, bool) {
	reading := Read(post(document), Trust{Batch: true})
	operations := make([]readers.Operation, len(reading.Operations))
	for i, operation := range reading.Operations {
		operations[i] = readers.Operation(operation)
	}
	return operations, reading.Fault == NoFault
}

// recorded are the readings of the documents by five servers: those of the Go SDK,
// of both TypeScript SDKs, and of the Python SDK with sessions and without.
func recorded(t *testing.T) (documents []readers.Document, readings map[string][]readers.Reading) {
	t.Helper()
	documents, err := readers.Documents()
	if err != nil {
		t.Fatal(err)
	}
	if readings, err = readers.Recorded(); err != nil {
		t.Fatal(err)
	}
	if len(documents) < 60 || len(readings) != 5 {
		t.Fatalf("%d documents, readings of %d SDKs", len(documents), len(readings))
	}
	for name, all := range readings {
		if len(all) != len(documents) {
			t.Fatalf("%s has read %d of %d documents; `make interop ONLY=messages RECORD=1` reads them all", name, len(all), len(documents))
		}
	}
	return documents, readings
}

// TestReadAgreesWithSDKs: `make interop` records the readings, and compares ten
// thousand generated documents as well.
func TestReadAgreesWithSDKs(t *testing.T) {
	documents, readings := recorded(t)
	number := 0
	for i, document := range documents {
		operations, isAccepted := accepted(document.Text)
		if !isAccepted {
			continue
		}
		number++
		for name, all := range readings {
			if how := all[i].Differs(operations); how != "" {
				t.Errorf("%s (%.200q), %s: %s", document.Intent, document.Text, name, how)
			}
		}
	}
	if number < 30 {
		t.Errorf("%d documents are accepted: too few to show anything", number)
	}
}

// TestReadAgreementFindsFaults plants faults before Read.
func TestReadAgreementFindsFaults(t *testing.T) {
	documents, readings := recorded(t)
	faults := readers.Faults()
	if len(faults) < 10 {
		t.Fatalf("%d faults", len(faults))
	}
	for _, planted := range faults {
		found := slices.ContainsFunc(documents, func(document readers.Document) bool {
			operations, isAccepted := accepted(planted.Rewrite(document.Text))
			i := slices.Index(documents, document)
			for _, all := range readings {
				if isAccepted && all[i].Differs(operations) != "" {
					return true
				}
			}
			return false
		})
		if !found {
			t.Errorf("a reader with this fault is not found: %s", planted.Fault)
		}
	}
}

// TestReadGenerated holds Read against the lenient readers, with the documents of
// `make interop`. A row that fails there becomes a document of package readers.
func TestReadGenerated(t *testing.T) {
	generator, number := readers.NewGenerator(1), 0
	for range 10_000 {
		document := generator.Document()
		reading := Read(requestOf(document), Trust{Batch: true})
		if reading.Fault == NoFault {
			number++
			checkAgainstReaders(t, document, true, reading.Operations)
		}
	}
	if number < 4000 {
		t.Errorf("%d documents are accepted: too few to show anything", number)
	}
}

package testenv

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRotationKeepsTheOldKeyUntilItIsWithdrawn(t *testing.T) {
	as := startAuthServer(t)
	old := as.Key()
	fresh := as.Rotate()
	if as.Key() != fresh || fresh.ID == old.ID {
		t.Fatalf("after a rotation %s signs, and before it %s", as.Key().ID, old.ID)
	}
	if diff := cmp.Diff([]string{old.ID, fresh.ID}, published(t, as)); diff != "" {
		t.Errorf("after a rotation (-want +got):\n%s", diff)
	}
	as.Withdraw()
	if diff := cmp.Diff([]string{fresh.ID}, published(t, as)); diff != "" {
		t.Errorf("after a withdrawal (-want +got):\n%s", diff)
	}
	if as.KeyFetches() != 2 {
		t.Errorf("%d fetches counted instead of 2", as.KeyFetches())
	}
}

func published(t *testing.T, as *AuthServer) []string {
	t.Helper()
	body, err := fetch(t.Context(), as.JWKSURI())
	if err != nil {
		t.Fatal(err)
	}
	var set struct {
		Keys []struct {
			ID string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(set.Keys))
	for i, key := range set.Keys {
		ids[i] = key.ID
	}
	return ids
}

package policy

import (
	"context"
	"errors"
)

var errNoEgress = errors.New("policy: compiled without Sources.Egress")

// Ours reports whether the token with in.Claims, which are not verified, is for
// in.Resource: data.doorward.egress.ours. With an error it is not known, and the result
// is true.
func (e *Engine) Ours(_ context.Context, _ Input) (bool, error) { return true, errNoEgress }

// DecideEgress is [Evaluator.Decide] for a request that goes out to in.Destination.
func (e *Evaluator) DecideEgress(_ context.Context, _ Input) (Decision, CacheResult, error) {
	return Decision{}, Uncacheable, errNoEgress
}

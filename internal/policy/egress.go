package policy

import (
	"context"
	"errors"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
)

// The rules of egress.rego, and the one that a package has for what comes in.
const (
	egressPackage = "egress"
	oursRule      = "ours"
	decisionRule  = "decision"
	egressFile    = libraryFile + egressPackage + ".rego"
)

var errNoEgress = errors.New("policy: compiled without Sources.Egress")

// prepareOurs prepares the question of [Engine.Ours].
func (e *Engine) prepareOurs(ctx context.Context, store storage.Store) (err error) {
	question := evaluatedPackagesOf(e.compiler, contract{}, teamPackage, egressPackage, oursRule)
	question.pkg = ownPackage + "." + egressPackage
	e.ours, err = e.prepare(ctx, store, question)
	return err
}

// prepareEgress prepares each evaluator, by its package, for what goes out. No key of
// one is that of another: their prefixes differ.
func (e *Engine) prepareEgress(ctx context.Context, store storage.Store, c contract, all map[string]*Evaluator) error {
	for _, inbound := range all {
		if inbound.egress != nil { // the common one has two names
			continue
		}
		packages := make([]teamRules, len(inbound.packages))
		for i, team := range inbound.packages {
			packages[i] = evaluatedPackagesOf(e.compiler, c, team.pkg, egressPackage, decisionRule)
		}
		prepared, err := e.prepare(ctx, store, packages...)
		if err != nil {
			return err
		}
		prepared.prefix = append(appendText(nil, egressPackage), prepared.prefix...)
		inbound.egress = prepared
	}
	return nil
}

// Ours reports whether the token with in.Claims, which are not verified, is for
// in.Resource: data.doorward.egress.ours. With an error it is not known, and the result
// is true.
func (e *Engine) Ours(ctx context.Context, in Input) (bool, error) {
	if err := e.notInForce(); err != nil {
		return true, err
	}
	if e.ours == nil {
		return true, errNoEgress
	}
	var room [1024]byte
	key, has := e.ours.key(room[:0], &in)
	if has {
		if d, hit := e.cache.recall(e.snapshot, key); hit {
			return d.Outcome != notOurs, nil
		}
	}
	input, err := e.ours.deps.term(&in)
	if err != nil {
		return true, err
	}
	values, err := e.ours.run(ctx, input)
	if err != nil {
		return true, err
	}
	is, known := values[0].(ast.Boolean)
	if !known {
		return true, errUndefined
	}
	if has {
		d := Decision{Outcome: notOurs}
		if is {
			d.Outcome = Passthrough
		}
		e.cache.remember(e.snapshot, key, d)
	}
	return bool(is), nil
}

// notOurs is the outcome under which the cache keeps that a token is for another
// resource.
const notOurs = AudienceMismatch

// DecideEgress is [Evaluator.Decide] for a request that goes out to in.Destination:
// data.doorward.egress.decision, which is undefined without a destination.
func (e *Evaluator) DecideEgress(ctx context.Context, in Input) (Decision, CacheResult, error) {
	if err := e.engine.notInForce(); err != nil {
		return Decision{}, Evaluated, err
	}
	if e.egress == nil {
		return Decision{}, Evaluated, errNoEgress
	}
	return e.egress.Decide(ctx, in)
}

package broker

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The states of a finding.
const (
	FindingOK      = "ok"
	FindingFailed  = "failed"
	FindingWarning = "warning"
	FindingChecked = "checked" // a permission that was used, and is there
	FindingUnknown = "unknown until first use"
)

// Doctor looks at everything an import needs. It creates nothing in a cloud, and
// in the token only a throwaway object that it destroys.
func (b *Broker) Doctor(ctx context.Context) (Diagnosis, error) {
	setup, err := b.token()
	if err != nil {
		return Diagnosis{}, err
	}
	var d Diagnosis
	enrolled, err := b.o.Store.Enrolments(ctx)
	if err != nil {
		return Diagnosis{}, fmt.Errorf("read enrolments: %w", err)
	}
	b.examineToken(ctx, setup, enrolled, &d)
	for _, t := range b.o.Targets {
		if d.isShut(t) {
			continue
		}
		b.examineTarget(ctx, setup, t, enrolled, &d)
	}
	d.matrix(b.o.Targets, enrolled)
	d.trusting(b.o.Policies, b.o.Targets)
	return d, nil
}

// add puts one finding down: ok without an error.
func (d *Diagnosis) add(subject, check string, err error, detail string) {
	f := Finding{Subject: subject, Check: check, State: FindingOK, Detail: detail}
	if err != nil {
		f.State, f.Detail = FindingFailed, err.Error()
	}
	d.Findings = append(d.Findings, f)
}

func (b *Broker) examineToken(ctx context.Context, setup TokenSetup, enrolled []Enrolment, d *Diagnosis) {
	subject := "token " + setup.Name
	info, err := setup.Token.Info(ctx)
	d.add(subject, "present", err, fmt.Sprintf("%s %s, serial %s, firmware %s, %s", info.Manufacturer, info.Model, info.Serial, info.Firmware, info.Library))
	if err != nil {
		return
	}
	if h, ok := setup.Token.(HealthChecker); ok {
		d.add(subject, "health", h.Health(ctx), "an object was made and destroyed")
	}
	e, err := find(enrolled, EnrolToken, setup.Name)
	if err == nil {
		err = errors.Join(b.checkSeal(ctx, setup, e), e.Matches(setup.Environment, setup.Pins))
	}
	d.add(subject, "enrolment", err, "environment "+setup.Environment)
	if err == nil {
		d.add("audit", "seal", b.trustAudit(ctx), "its end holds, and is as the token remembers it; keyferry audit verify checks all of it")
	}
	d.Plans, err = setup.Token.Plans(ctx)
	d.add(subject, "plans", err, fmt.Sprintf("%d of %d work and conform", conforming(d.Plans), len(d.Plans)))
	d.keeping(ctx, subject, setup)
}

// keeping says what the token can keep wrapped. That it can keep nothing is a fault only
// for those who ask for it.
func (d *Diagnosis) keeping(ctx context.Context, subject string, setup TokenSetup) {
	f := Finding{Subject: subject, Check: "retain: wrapped", State: FindingOK}
	keeper, err := keeperOf(setup)
	if err == nil {
		d.Keep, err = keeper.KeepPlans(ctx)
	}
	var fits, not []string
	for _, p := range d.Keep {
		if err := p.fits(setup.Environment); err == nil {
			fits = append(fits, string(p.Spec))
		} else {
			not = append(not, string(p.Spec)+" ("+p.Reason+")")
		}
	}
	f.Detail = "works for " + listed(fits)
	switch {
	case err != nil:
		f.State, f.Detail = FindingWarning, err.Error()
	case len(fits) == 0:
		f.State, f.Detail = FindingWarning, "not with this token: "+not[0]
	}
	d.Findings = append(d.Findings, f)
}

func conforming(plans []Plan) int {
	n := 0
	for _, p := range plans {
		if p.Works && p.Conforming {
			n++
		}
	}
	return n
}

// allowedSkew is how far clocks may be apart before it is worth a warning; the
// strictest cloud refuses at five minutes.
const allowedSkew = 30 * time.Second

func (b *Broker) examineTarget(ctx context.Context, setup TokenSetup, t Target, enrolled []Enrolment, d *Diagnosis) {
	subject := "target " + t.Name
	e, err := find(enrolled, EnrolTarget, t.Name)
	if err == nil {
		err = errors.Join(b.checkSeal(ctx, setup, e), e.Matches(t.Environment, t.Pins), sameEnvironment(setup, t))
	}
	d.add(subject, "enrolment", err, fmt.Sprintf("environment %s, account %s", t.Environment, t.Pins[PinAccount]))
	if who, ok := t.Provider.(Identifier); ok {
		id, err := who.Identify(ctx)
		if err == nil && id.Account != t.Pins[PinAccount] {
			err = fmt.Errorf("the credentials belong to account %s, the config says %s", id.Account, t.Pins[PinAccount])
		}
		d.add(subject, "credentials", err, id.Principal)
		if err != nil {
			return
		}
		d.clock(subject, id.Receipt.ServerTime, b.o.Now())
	}
	if id, err := b.identifyProof(ctx, t); err != nil || id.Account != "" {
		d.add(subject, "proof credentials", err, id.Principal)
	}
	d.permissions(ctx, subject, t)
}

func (d *Diagnosis) clock(subject string, server, now time.Time) {
	if server.IsZero() {
		return
	}
	skew := server.Sub(now).Round(time.Second)
	f := Finding{Subject: subject, Check: "clock", State: FindingOK, Detail: fmt.Sprintf("its clock is %s ahead of ours", skew)}
	if skew.Abs() > allowedSkew {
		f.State = FindingWarning
	}
	d.Findings = append(d.Findings, f)
}

// permissions are checked as far as looking goes; what changes something is not
// tried.
func (d *Diagnosis) permissions(ctx context.Context, subject string, t Target) {
	var seen int
	var refused error
	for _, err := range t.Provider.Look(ctx, Query{All: true}) {
		seen, refused = seen+1, err
		break
	}
	missing := ""
	if e, ok := errors.AsType[*Error](refused); ok {
		missing = e.Permission
	}
	for _, p := range t.Provider.Capabilities().Permissions {
		if p.Later {
			continue
		}
		f := Finding{Subject: subject, Check: p.Action, State: FindingUnknown, Detail: p.For}
		switch {
		case missing == p.Action:
			f.State, f.Detail = FindingFailed, refused.Error()
		case p.Look && refused == nil && seen > 0:
			f.State = FindingChecked
		}
		d.Findings = append(d.Findings, f)
	}
	if refused != nil && missing == "" {
		d.add(subject, "look", refused, "")
	}
}

package localstack

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// Config says which clouds to start. What an emulator's own config says of Now and
// CA holds for that one.
type Config struct {
	AWS        awsemu.Config    // our AWS KMS; only Now is required
	Google     *gcpemu.Config   // our Google Cloud KMS; nil none. Its Now is that of AWS
	Azure      *azureemu.Config // our Azure Key Vault and Managed HSM; nil none. The same
	CA         *emu.Authority   // the run CA of all; nil makes one
	CAFile     string           // where to write its certificate as PEM; "" nowhere
	Offset     time.Duration    // how far the emulators' clocks are ahead of real time
	LocalStack *Options         // LocalStack beside them; nil none
}

// Clouds are all that was started.
type Clouds struct {
	AWS        *awsemu.Server
	Google     *gcpemu.Server   // nil if it was not asked for
	Azure      *azureemu.Server // nil if it was not asked for
	Ready      time.Duration    // what our emulators took, LocalStack not counted
	LocalStack *LocalStack      // nil if it was not asked for
}

// emulator is what all of them have.
type emulator interface {
	Admin() faults.Client
	Close() error
}

// Start starts our emulators under one run CA, and LocalStack if it is asked for, and
// returns when all of them answer. They run until Close, or until ctx ends.
func Start(ctx context.Context, c Config) (*Clouds, error) {
	begun := c.AWS.Now()
	clouds := &Clouds{}
	err := clouds.emulate(ctx, c)
	clouds.Ready = c.AWS.Now().Sub(begun)
	if err == nil && c.LocalStack != nil {
		clouds.LocalStack, err = StartAWS(ctx, *c.LocalStack)
	}
	if err != nil {
		return nil, errors.Join(err, clouds.Close())
	}
	return clouds, nil
}

// emulate starts the emulators and sets their clocks. What it started before an error
// is the caller's to close.
func (c *Clouds) emulate(ctx context.Context, config Config) error {
	config, err := config.complete()
	if err != nil {
		return err
	}
	if c.AWS, err = awsemu.Start(ctx, config.AWS); err != nil {
		return fmt.Errorf("start the AWS emulator: %w", err)
	}
	if config.Google != nil {
		if c.Google, err = gcpemu.Start(ctx, *config.Google); err != nil {
			return fmt.Errorf("start the Google emulator: %w", err)
		}
	}
	if config.Azure != nil {
		if c.Azure, err = azureemu.Start(ctx, *config.Azure); err != nil {
			return fmt.Errorf("start the Azure emulator: %w", err)
		}
	}
	for _, e := range c.emulators() {
		if config.Offset == 0 {
			break
		}
		if _, err := e.Admin().SetOffset(ctx, config.Offset); err != nil {
			return fmt.Errorf("set the emulators' clock: %w", err)
		}
	}
	return nil
}

// complete makes the run CA and gives it, and the clock, to all that have none.
func (c Config) complete() (Config, error) {
	if c.CA == nil {
		ca, err := emu.NewAuthority(c.AWS.Now())
		if err != nil {
			return c, err
		}
		c.CA = ca
	}
	share(&c, &c.AWS.CA, &c.AWS.Now)
	if c.Google != nil {
		google := *c.Google
		share(&c, &google.CA, &google.Now)
		c.Google = &google
	}
	if c.Azure != nil {
		azure := *c.Azure
		share(&c, &azure.CA, &azure.Now)
		c.Azure = &azure
	}
	return c, c.CA.WriteFile(c.CAFile)
}

// share gives an emulator's config what the run has, where it has none.
func share(c *Config, ca **emu.Authority, now *func() time.Time) {
	if *ca == nil {
		*ca = c.CA
	}
	if *now == nil {
		*now = c.AWS.Now
	}
}

// emulators are those that run.
func (c *Clouds) emulators() []emulator {
	var all []emulator
	if c.AWS != nil {
		all = append(all, c.AWS)
	}
	if c.Google != nil {
		all = append(all, c.Google)
	}
	if c.Azure != nil {
		all = append(all, c.Azure)
	}
	return all
}

// Close stops all that Start started and waits for it.
func (c *Clouds) Close() error {
	var err error
	for _, e := range c.emulators() {
		err = errors.Join(err, e.Close())
	}
	return errors.Join(err, c.LocalStack.Stop())
}

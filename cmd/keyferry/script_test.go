package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// TestScripts runs the program as its users do: a process of its own, over a
// software token and the AWS emulator.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/scripts", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Values[stageKey{}] = &stage{}
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"token": makeToken, "shim": startShim, "condition": setCondition, "logins": countLogins,
			"cloud": startCloud, "fault": addFault, "clear": clearFaults, "clock": setClock, "key": addKey,
			"held": waitCall, "calls": countCalls, "arrived": countArrived, "swap": swapWrappingKey,
			"google": startGoogle, "azure": startAzure, "in": inCloud, "abort": abortImport,
			"config": writeConfig, "code": runCode, "spoil": spoilFile, "foreign": foreignModule,
		},
	})
}

// stage is what one script has around it.
type stage struct {
	store *softtoken.Store
	shim  *shim.Shim
	cloud *awsemu.Server
	// The other clouds, where a script has them.
	google *gcpemu.Server
	azure  *azureemu.Server
}

type stageKey struct{}

func stageOf(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

func (s *stage) admin() faults.Client { return s.cloud.Admin() }

// makeToken: token LABEL… makes SoftHSM tokens, and sets MODULE and the first
// one's PIN files, $WORK/pin and $WORK/so-pin.
func makeToken(ts *testscript.TestScript, _ bool, labels []string) {
	s := stageOf(ts)
	if softtoken.SoftHSM.Skipped() {
		ts.Fatalf("SoftHSM cannot be left out here: run make setup")
	}
	var err error
	if s.store == nil {
		s.store, err = softtoken.Open(softtoken.SoftHSM, ts.MkAbs("tokens"))
		ts.Check(err)
	}
	for i, label := range labels {
		token, err := s.store.Add(context.Background(), label)
		ts.Check(err)
		if i == 0 {
			pin, err := os.ReadFile(token.PINFile)
			ts.Check(err)
			ts.Check(os.WriteFile(ts.MkAbs("pin"), pin, 0o600))
			officers, err := os.ReadFile(token.SOPINFile)
			ts.Check(err)
			ts.Check(os.WriteFile(ts.MkAbs("so-pin"), officers, 0o600))
			ts.Setenv("SERIAL", token.Serial)
		}
	}
	for _, entry := range s.store.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		ts.Setenv(name, value)
	}
	ts.Setenv("MODULE", s.store.Module)
}

// startShim puts a module in front of the real one, whose answers can be changed.
func startShim(ts *testscript.TestScript, _ bool, _ []string) {
	s := stageOf(ts)
	var err error
	s.shim, err = shim.Start(context.Background(), s.store.Module)
	ts.Check(err)
	ts.Defer(func() { ts.Check(s.shim.Close()) })
	ts.Setenv("MODULE", s.shim.Module())
}

// setCondition: condition NAME is the token's state from now on.
func setCondition(ts *testscript.TestScript, _ bool, args []string) {
	conditions := map[string]shim.Condition{
		"healthy": {}, "pin-locked": {PINLocked: true}, "pin-incorrect": {PINIncorrect: true},
		"write-protected": {WriteProtected: true}, "full": {Full: true}, "removed": {Removed: true},
		"one-step": {OneStep: shim.OneStepRight},
	}
	c, ok := conditions[args[0]]
	if !ok {
		ts.Fatalf("no condition %s", args[0])
	}
	stageOf(ts).shim.Set(c)
}

// countLogins: logins N holds that the PIN was tried N times so far.
func countLogins(ts *testscript.TestScript, _ bool, args []string) {
	if n := len(stageOf(ts).shim.Calls("C_Login")); strconv.Itoa(n) != args[0] {
		ts.Fatalf("the PIN was tried %d times, want %s", n, args[0])
	}
}

// startCloud starts the AWS emulator and puts its endpoints and credentials into
// the environment.
func startCloud(ts *testscript.TestScript, _ bool, _ []string) {
	srv, err := awsemu.Start(context.Background(), awsemu.Config{
		Now: time.Now, CAFile: ts.MkAbs("ca.pem"), PoolDir: wrappingKeyPool(ts), ReuseWrappingKeys: true,
	})
	ts.Check(err)
	ts.Defer(func() { ts.Check(srv.Close()) })
	stageOf(ts).cloud = srv
	key := srv.Credentials()
	for name, value := range map[string]string{
		"ENDPOINT": srv.URL(), "TLS_ENDPOINT": srv.TLSURL(), "ACCOUNT": srv.Account(),
		"AWS_ACCESS_KEY_ID": key.ID, "AWS_SECRET_ACCESS_KEY": key.Secret, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		ts.Setenv(name, value)
	}
}

// addFault: fault JSON adds a rule to the emulator.
func addFault(ts *testscript.TestScript, _ bool, args []string) {
	var rule faults.Rule
	ts.Check(json.Unmarshal([]byte(args[0]), &rule))
	_, err := stageOf(ts).admin().Add(context.Background(), rule)
	ts.Check(err)
}

// clearFaults takes all rules away; what they held goes on.
func clearFaults(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(stageOf(ts).admin().Remove(context.Background(), ""))
}

// setClock: clock DURATION sets the emulator's clock that far ahead.
func setClock(ts *testscript.TestScript, _ bool, args []string) {
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	_, err = stageOf(ts).admin().SetOffset(context.Background(), d)
	ts.Check(err)
}

// addKey: key JSON adds an access key to the emulator, or changes one.
func addKey(ts *testscript.TestScript, _ bool, args []string) {
	var key awsemu.AccessKey
	ts.Check(json.Unmarshal([]byte(args[0]), &key))
	ts.Check(stageOf(ts).admin().Configure(context.Background(), awsemu.Change{AccessKeys: []awsemu.AccessKey{key}}))
}

// waitCall: held ACTION waits until a call is held.
func waitCall(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := stageOf(ts).admin().Wait(ctx, faults.CallQuery{Match: faults.Match{Action: args[0]}, State: faults.Held})
	ts.Check(err)
}

// countCalls: calls ACTION N holds how often an action was committed.
func countCalls(ts *testscript.TestScript, _ bool, args []string) {
	calls, err := stageOf(ts).admin().Calls(context.Background(), faults.CallQuery{Match: faults.Match{Action: args[0]}, Committed: true})
	ts.Check(err)
	if strconv.Itoa(len(calls)) != args[1] {
		ts.Fatalf("%s was done %d times, want %s", args[0], len(calls), args[1])
	}
}

// countArrived: arrived NAME N holds how many versions of a key there are, with
// neither twin nor orphan.
func countArrived(ts *testscript.TestScript, _ bool, args []string) {
	report, err := stageOf(ts).admin().Report(context.Background())
	ts.Check(err)
	n := report.Names[args[0]]
	if strconv.Itoa(n.Versions) != args[1] || n.Twins != 0 {
		ts.Fatalf("of %s there are %+v, want %s versions", args[0], n, args[1])
	}
}

// writeConfig: config FILE… fills in the environment and makes it private.
func writeConfig(ts *testscript.TestScript, _ bool, files []string) {
	for _, name := range files {
		path := ts.MkAbs(name)
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(path, []byte(text), 0o600))
		ts.Check(os.Chmod(path, 0o600))
	}
}

// runCode: code N COMMAND… runs it and holds its exit code.
func runCode(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// spoilFile: spoil FILE OFFSET overwrites sixteen bytes.
func spoilFile(ts *testscript.TestScript, _ bool, args []string) {
	offset, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR, 0)
	ts.Check(err)
	_, err = f.WriteAt([]byte("................"), offset)
	ts.Check(errors.Join(err, f.Close()))
}

// foreignModule: foreign FILE copies the module and says that it is for another
// kind of CPU (e_machine of elf(5): 243 is RISC-V).
func foreignModule(ts *testscript.TestScript, _ bool, args []string) {
	text, err := os.ReadFile(ts.Getenv("MODULE"))
	ts.Check(err)
	text[18], text[19] = 243, 0
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text, 0o600))
}

package awskms_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/providers/awskms"
	"github.com/keyferry/keyferry/providers/providertest"
)

const (
	region  = "eu-west-1"
	account = awsemu.DefaultAccount
	other   = "111111111111"
	noKey   = "5e7c7e1a-0000-4000-8000-000000000000"
)

// pool is where wrapping keys are kept between runs.
const pool = "../../.cache/wrapping-keys"

// emulated is an emulator with an adapter on it, and a clock for both.
type emulated struct {
	server   *awsemu.Server
	admin    faults.Client
	proxy    *proxy
	provider *awskms.Provider
	ahead    atomic.Int64 // of real time
}

func (e *emulated) Now() time.Time { return time.Now().Add(time.Duration(e.ahead.Load())) }

func emulate(t *testing.T, change func(*emulated, *awskms.Config)) *emulated {
	t.Helper()
	server, err := awsemu.Start(context.WithoutCancel(t.Context()), awsemu.Config{Now: time.Now, TLSAddr: "127.0.0.1:0", PoolDir: pool, ReuseWrappingKeys: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	e := &emulated{server: server, admin: server.Admin(), proxy: newProxy(t, server.URL())}
	transport := &http.Transport{} // its own: a server of net/http/httptest that closes, closes those of the default one
	e.admin.HTTP = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	config := awskms.Config{
		Account: account, Region: region, Endpoint: e.proxy.URL, Credentials: static(server.Credentials()),
		Settle: 5 * time.Second, Poll: 20 * time.Millisecond, Now: e.Now,
	}
	if change != nil {
		change(e, &config)
	}
	if e.provider, err = awskms.Open(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.provider.Close)
	return e
}

func static(key awsemu.AccessKey) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(key.ID, key.Secret, key.Session)
}

// overTLS speaks TLS under the emulator's CA, without the proxy.
func overTLS(e *emulated, c *awskms.Config) {
	c.Endpoint = e.server.TLSURL()
	c.RootCAs = x509.NewCertPool()
	c.RootCAs.AppendCertsFromPEM(e.server.CAPEM())
}

// byRoles is over TLS, with one role that imports and another one that proves.
func byRoles(e *emulated, c *awskms.Config) {
	overTLS(e, c)
	c.RoleARN, c.ProofRoleARN = importer, prover
	may := map[bool][]string{}
	p, err := awskms.Open(context.Background(), *c)
	if err == nil {
		defer p.Close()
		for _, permission := range p.Capabilities().Permissions {
			may[permission.Proof] = append(may[permission.Proof], permission.Action)
		}
		err = e.admin.Configure(context.Background(), awsemu.Change{Roles: []awsemu.Role{{ARN: importer, Allow: may[false]}, {ARN: prover, Allow: may[true]}}})
	}
	if err != nil {
		panic(err)
	}
}

func (e *emulated) target() providertest.Target {
	return providertest.Target{
		Provider: e.provider, Account: account, Now: e.Now,
		Missing: broker.KeyRef{ID: "arn:aws:kms:" + region + ":" + account + ":key/" + noKey},
		Foreign: broker.KeyRef{ID: "arn:aws:kms:" + region + ":" + other + ":key/" + noKey},
		Break:   e.Break, Plant: e.Plant,
		Advance: func(d time.Duration) {
			if _, err := e.admin.Advance(context.Background(), d); err != nil {
				panic(err)
			}
			e.ahead.Add(int64(d))
		},
		Hide: func(t *testing.T, reads int) {
			t.Helper()
			e.configure(t, awsemu.Settings{HiddenReads: reads})
		},
	}
}

func (e *emulated) configure(t *testing.T, s awsemu.Settings) {
	t.Helper()
	if err := e.admin.Configure(t.Context(), awsemu.Change{Settings: &s}); err != nil {
		t.Fatal(err)
	}
}

// actions are AWS's names of the suite's calls.
var actions = map[string]string{
	"prepare": "CreateKey", "wrapping-key": "GetParametersForImport", "import": "ImportKeyMaterial",
	"activate": "CreateAlias", "deactivate": "DeleteAlias", "disable": "DisableKey", "enable": "EnableKey",
	"delete-material": "DeleteImportedKeyMaterial", "schedule": "ScheduleKeyDeletion", "cancel": "CancelKeyDeletion",
	"prove": "GenerateMac", "look": "DescribeKey", "identify": "GetCallerIdentity",
}

func ruleFor(call string, f providertest.Fault) faults.Rule {
	r := faults.Rule{Match: faults.Match{Action: actions[call]}, RetryAfter: int(f.RetryAfter.Seconds())}
	if f.Always {
		r.Count = -1
	}
	switch f.Kind {
	case providertest.LostBefore:
		r.Kind = faults.Drop
	case providertest.LostAfter:
		r.Kind, r.When = faults.Drop, faults.After
	case providertest.Late:
		r.Kind, r.After, r.Clock = faults.Late, faults.Seconds(f.After.Seconds()), faults.Emulator
	case providertest.FailBefore:
		r.Kind, r.Code = faults.Fail, "KMSInternalException"
	case providertest.FailAfter:
		r.Kind, r.When, r.Code = faults.Fail, faults.After, "DependencyTimeoutException"
	case providertest.Throttle:
		r.Kind = faults.Throttle
	case providertest.Deny:
		r.Kind = faults.Deny
	case providertest.Truncate:
		r.Kind = faults.Truncate
	case providertest.Slow:
		r.Kind, r.After = faults.Slow, 0.2
	case providertest.HoldBefore:
		r.Kind = faults.Hold
	case providertest.HoldAfter:
		r.Kind, r.When = faults.Hold, faults.After
	default: // Foreign is the proxy's
	}
	return r
}

func (e *emulated) Break(t *testing.T, call string, f providertest.Fault) providertest.Broken {
	t.Helper()
	if f.Kind == providertest.Foreign {
		e.proxy.rewrite(actions[call])
		return providertest.Broken{Release: func() { e.proxy.rewrite("") }}
	}
	admin := e.admin
	id, err := admin.Add(t.Context(), ruleFor(call, f))
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Broken{
		Release: func() { _ = admin.Remove(context.WithoutCancel(t.Context()), id) },
		Reached: func(ctx context.Context) error {
			_, err := admin.Wait(ctx, faults.CallQuery{Fault: id, State: faults.Held})
			return err
		},
	}
}

// client is the SDK's own, for what somebody else does at the target.
func (e *emulated) client() *kms.Client {
	return kms.New(kms.Options{
		Region: region, BaseEndpoint: new(e.server.URL()), Credentials: static(e.server.Credentials()), Retryer: aws.NopRetryer{},
	})
}

func (e *emulated) Plant(t *testing.T, effect string, in broker.PrepareIn, origin broker.Origin) broker.KeyRef {
	t.Helper()
	request := &kms.CreateKeyInput{
		KeySpec: types.KeySpecHmac256, KeyUsage: types.KeyUsageTypeGenerateVerifyMac, Origin: types.OriginTypeExternal,
		Tags: []types.Tag{{TagKey: new("keyferry:effect"), TagValue: &effect}, {TagKey: new("keyferry:key"), TagValue: &in.Name}},
	}
	if origin == broker.OriginProvider {
		request.Origin = types.OriginTypeAwsKms
	}
	out, err := e.client().CreateKey(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	return broker.KeyRef{ID: *out.KeyMetadata.Arn}
}

// proxy stands between adapter and emulator and can let answers be about another
// account. A connection that breaks behind it breaks before it.
type proxy struct {
	URL string

	mu      sync.Mutex
	rewrote string // action whose answers are rewritten
}

func newProxy(t *testing.T, behind string) *proxy {
	t.Helper()
	u, err := url.Parse(behind)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	transport := &http.Transport{}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Transport: transport, ModifyResponse: p.modify, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.Out.Host = r.In.Host // it is signed
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	})
	t.Cleanup(func() { server.Close(); transport.CloseIdleConnections() })
	p.URL = server.URL
	return p
}

func (p *proxy) rewrite(action string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rewrote = action
}

func (p *proxy) modify(r *http.Response) error {
	p.mu.Lock()
	action := p.rewrote
	p.mu.Unlock()
	called := r.Request.Header.Get("X-Amz-Target")
	if called == "" {
		called = "sts.GetCallerIdentity"
	}
	if action == "" || !strings.HasSuffix(called, "."+action) {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	body = bytes.ReplaceAll(body, []byte(account), []byte(other))
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

func TestEmulator(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Setup{Open: func(t *testing.T) providertest.Target {
		t.Helper()
		return emulate(t, nil).target()
	}})
}

// TestEmulatorOverTLS is everything over TLS, with pages that end early, by roles that
// may do what the adapter says it needs, and no more.
func TestEmulatorOverTLS(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Setup{
		Open: func(t *testing.T) providertest.Target {
			t.Helper()
			e := emulate(t, byRoles)
			e.configure(t, awsemu.Settings{PageSize: 5})
			return e.target()
		},
		Lacks: map[providertest.Need]string{
			providertest.NeedForeign: "the proxy that rewrites answers speaks plain HTTP, where this is tested",
			providertest.NeedHide:    "it replaces the page size; tested over plain HTTP",
			providertest.NeedClock:   "a role's session ends by the emulator's clock, and the SDK counts this machine's; tested over plain HTTP",
		},
	})
}

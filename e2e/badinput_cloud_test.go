package e2e_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/awsemu"
)

// A target that cannot be used, or is another than was enrolled.
func TestBadCloud(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	stranger := awsemu.AccessKey{ID: "AKIAKEYFERRYSTRANGER", Secret: "of another account", Account: "111122223333"}
	fatal(t, s.admin.Configure(t.Context(), awsemu.Change{AccessKeys: []awsemu.AccessKey{stranger}}))
	key := s.AWS.Credentials()
	const identity = "GetCallerIdentity"
	s.refusesAll(t, append([]bad{
		{
			name: "unknown credentials", spoil: environment("AWS_ACCESS_KEY_ID=AKIAKEYFERRYNOBODY00"), code: 1, asked: identity,
			says: []string{"identify at target aws", "denied", "InvalidClientTokenId"},
		},
		{
			name: "wrong secret", spoil: environment("AWS_SECRET_ACCESS_KEY=hunter2"), code: 1, asked: identity, never: []string{"hunter2", key.Secret},
			says: []string{"identify at target aws", "denied", "SignatureDoesNotMatch"},
		},
		{
			name: "expired credentials", code: 1, asked: identity,
			spoil: func(t *testing.T, s *site) {
				t.Helper()
				fatal(t, s.admin.Configure(t.Context(), awsemu.Change{AccessKeys: []awsemu.AccessKey{{ID: key.ID, ExpiresAt: s.AWS.Now().Add(-time.Second)}}}))
			},
			says: []string{"identify at target aws", "expired", "ExpiredToken"},
		},
		{
			name: "no credentials", spoil: environment("AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="), code: 1,
			says:  []string{"identify at target aws", "no credentials: ", "give this process credentials of the target's account"},
			never: []string{"exceeded maximum"},
		},
		{
			name: "credentials of another account", code: 1, asked: identity,
			spoil: environment("AWS_ACCESS_KEY_ID="+stranger.ID, "AWS_SECRET_ACCESS_KEY="+stranger.Secret),
			says:  []string{"the credentials belong to account 111122223333, 000000000000 was enrolled", "use credentials of the enrolled account"},
		},
		{name: "a clock ten minutes behind", spoil: clock(10 * time.Minute), code: 1, asked: identity, says: []string{"Signature expired", "this machine's clock is -", "off the provider's: set it right"}},
		{name: "a clock ten minutes ahead", spoil: clock(-10 * time.Minute), code: 1, asked: identity, says: []string{"Signature not yet current", "this machine's clock is ", "off the provider's: set it right"}},
	}, s.otherTargets(t)...))
}

// otherTargets are not what was enrolled, or cannot be enrolled.
func (s *site) otherTargets(t *testing.T) []bad {
	t.Helper()
	otherCA(t, s)
	const identity = "GetCallerIdentity"
	return []bad{
		{
			name: "another account than enrolled", spoil: edit("account: \"000000000000\"", "account: \"111122223333\""), code: 1,
			says: []string{`account is "111122223333" in the config, "000000000000" was enrolled`},
		},
		{
			name: "another region than enrolled", spoil: edit("region: eu-central-1", "region: eu-west-1"), code: 1,
			says: []string{`region is "eu-west-1" in the config, "eu-central-1" was enrolled`},
		},
		{
			name: "another endpoint than enrolled", spoil: edit("endpoint: "+s.AWS.TLSURL(), "endpoint: https://127.0.0.1:1"), code: 1,
			says: []string{`endpoint is "https://127.0.0.1:1" in the config`, s.AWS.TLSURL()},
		},
		{
			name: "another CA than enrolled", spoil: edit("ca.pem", "other.pem"), code: 1, says: []string{"ca_file", "was enrolled"},
		},
		{
			name: "an unknown CA", spoil: edit("ca.pem", "other.pem"), args: arguments("target", "enrol", "aws"), code: 1,
			says: []string{"certificate", "nothing was sent; check the endpoint, and the CA that the target's config names"},
		},
		{
			name: "an endpoint where nobody is", spoil: edit("endpoint: "+s.AWS.TLSURL(), "endpoint: http://127.0.0.1:1"), args: arguments("target", "enrol", "aws"), code: 1,
			says:  []string{"identify at target aws", "connection refused", "nothing was sent; check the target's endpoint and the network"},
			never: []string{"StatusCode: 0", "exceeded maximum"},
		},
		{
			name: "another account at enrolment", spoil: edit("account: \"000000000000\"", "account: \"111122223333\""), args: arguments("target", "enrol", "aws"), code: 1, asked: identity,
			says: []string{"account 000000000000", "111122223333"},
		},
	}
}

// An endpoint or a proxy in the environment is not followed: nobody comes there,
// and the import goes where it was enrolled.
func TestEndpointOfTheEnvironment(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	var came atomic.Int32
	trap := listen(t, "127.0.0.1:0")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := trap.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			_ = c.Close()
		}
	}()
	to := "http://" + trap.Addr().String()
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL_STS", "HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		s.Env = append(s.Env, name+"="+to)
	}
	s.Env = append(s.Env, "AWS_CA_BUNDLE=/no/such/bundle", "AWS_REGION=us-east-1", "NO_PROXY=")
	if out := s.Run(t, s.imports("straight", "hmac-256")...); out.Code != 0 {
		t.Error(out)
	}
	fatal(t, trap.Close())
	<-done
	if n := came.Load(); n > 0 {
		t.Errorf("the environment was followed %d times", n)
	}
	s.judge(t, "straight")
}

func environment(entries ...string) func(*testing.T, *site) {
	return func(_ *testing.T, s *site) { s.Env = append(s.Env, entries...) } // the last of a name counts
}

// clock puts the cloud's clock ahead of this machine's.
func clock(ahead time.Duration) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		t.Helper()
		_, err := s.admin.SetOffset(t.Context(), ahead)
		fatal(t, err)
	}
}

func listen(t *testing.T, addr string) net.Listener {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", addr)
	fatal(t, err)
	return l
}

// otherCA is the certificate of a CA that did not sign the emulator's.
func otherCA(t *testing.T, s *site) {
	t.Helper()
	other, err := awsemu.Start(t.Context(), awsemu.Config{Now: time.Now})
	fatal(t, err)
	defer func() { check(t, other.Close()) }()
	if strings.EqualFold(string(other.CAPEM()), string(s.AWS.CAPEM())) {
		t.Fatal("two runs share a CA")
	}
	fatal(t, os.WriteFile(filepath.Join(s.Dir, "other.pem"), other.CAPEM(), 0o600))
}

// An endpoint that was there when it was enrolled, and is there again later.
func TestUnreachableEndpoint(t *testing.T) {
	t.Parallel()
	s := bareSite(t, softtoken.SoftHSM)
	l := newLiar(t, s.AWS.URL())
	s.enrolBehind(t, l)
	s.refusesAll(t, []bad{{
		name: "unreachable", code: 1,
		spoil: func(*testing.T, *site) { l.Close() },
		says:  []string{"identify at target aws", "connection refused", "nothing was sent; check the target's endpoint and the network"},
		never: []string{"StatusCode: 0", "exceeded maximum"},
		heal: func(t *testing.T, _ *site) {
			t.Helper()
			l.starts(t, l.Listener.Addr().String(), l.Config.Handler)
		},
	}})
}

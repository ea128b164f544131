package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"

	"github.com/rogpeppe/go-internal/testscript"
)

// swapWrappingKey: swap KIND puts somebody between the program and the emulator
// who changes what GetParametersForImport answers, and points ENDPOINT at them.
func swapWrappingKey(ts *testscript.TestScript, _ bool, args []string) {
	upstream, err := url.Parse(stageOf(ts).cloud.URL())
	ts.Check(err)
	proxy := httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(upstream); r.Out.Host = r.In.Host }, // what was signed
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Header.Get("X-Amz-Target") != "TrentService.GetParametersForImport" || r.StatusCode != http.StatusOK {
				return nil
			}
			return swapIn(r, args[0])
		},
	}
	between := httptest.NewServer(&proxy)
	ts.Defer(between.Close)
	ts.Setenv("ENDPOINT", between.URL)
}

func swapIn(r *http.Response, kind string) error {
	var answer map[string]any
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return err
	}
	if kind == "token" {
		answer["ImportToken"] = []byte("garbage")
	} else {
		der, err := badKey(kind)
		if err != nil {
			return err
		}
		answer["PublicKey"] = der
	}
	text, err := json.Marshal(answer)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	r.Header.Del("Content-Length")
	return err
}

// badKey is a wrapping key that must never wrap anything.
func badKey(kind string) ([]byte, error) {
	good, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	n := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 1023), big.NewInt(1155)) // of 1024 bits
	switch kind {
	case "short":
		return spki(n, 65537)
	case "exponent-1":
		return spki(new(big.Int).Mul(good.N, good.N), 1)
	case "exponent-3":
		return spki(new(big.Int).Mul(good.N, good.N), 3)
	case "truncated":
		der, err := spki(new(big.Int).Mul(good.N, good.N), 65537)
		return der[:len(der)-20], err
	default: // not RSA
		ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return x509.MarshalPKIXPublicKey(&ec.PublicKey)
	}
}

// spki is a SubjectPublicKeyInfo (RFC 5280) of any numbers: the standard library
// makes none with exponent 1.
func spki(n *big.Int, e int) ([]byte, error) {
	key, err := asn1.Marshal(struct {
		N *big.Int
		E int
	}{n, e})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(struct {
		Algorithm struct {
			ID         asn1.ObjectIdentifier
			Parameters asn1.RawValue
		}
		Key asn1.BitString
	}{
		Algorithm: struct {
			ID         asn1.ObjectIdentifier
			Parameters asn1.RawValue
		}{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, asn1.NullRawValue},
		Key: asn1.BitString{Bytes: key, BitLength: 8 * len(key)},
	})
}

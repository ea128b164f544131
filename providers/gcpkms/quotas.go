package gcpkms

import "github.com/keyferry/keyferry/broker"

// quotas in force, per project and location. Google's own follow past use since February
// 2026: that of reads is the one it names, the others are those of before ("Quotas").
func (c Config) quotas() []broker.Quota {
	const minute = 60.0
	return broker.Quotas([]broker.Quota{
		{Name: "write", Calls: []string{
			"CreateCryptoKey", "CreateImportJob", "ImportCryptoKeyVersion", "UpdateCryptoKeyPrimaryVersion", "UpdateCryptoKeyVersion",
			"DestroyCryptoKeyVersion", "RestoreCryptoKeyVersion",
		}, PerSecond: 60 / minute, Burst: 10},
		{Name: "read", Calls: []string{
			"GetKeyRing", "GetLocation", "GetCryptoKey", "GetCryptoKeyVersion", "GetImportJob", "GetPublicKey",
			"ListCryptoKeys", "ListCryptoKeyVersions",
		}, PerSecond: 600 / minute, Burst: 50},
		{Name: "cryptographic", Calls: []string{"AsymmetricSign", "AsymmetricDecrypt", "MacSign", "RawDecrypt", "Decrypt"}, PerSecond: 50, Burst: 50}, // with pairs in an HSM; more with others
	}, c.Quotas)
}

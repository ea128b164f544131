package gcpemu

import (
	"crypto/hmac"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
)

// mostMAC is what the MAC RPCs take with an HSM key. The API's comments name no
// limit; Google's quota pages have 16 KiB for HSM keys.
const mostMAC = 16 << 10

func macSign(c *call, in *kmspb.MacSignRequest) (*kmspb.MacSignResponse, error) {
	v, err := c.use(in.GetName(), kmspb.CryptoKey_MAC)
	if err != nil {
		return nil, err
	}
	out := &kmspb.MacSignResponse{Name: v.name, ProtectionLevel: v.key.level}
	if out.VerifiedDataCrc32C, err = checksum("data", in.GetData(), in.GetDataCrc32C()); err != nil {
		return nil, err
	}
	if err := v.checkSize(mostMAC, in.GetData()); err != nil {
		return nil, err
	}
	out.Mac = v.mac(in.GetData())
	out.MacCrc32C = crc(out.GetMac())
	return out, nil
}

// macVerify answers false for a wrong tag; it is no error.
func macVerify(c *call, in *kmspb.MacVerifyRequest) (*kmspb.MacVerifyResponse, error) {
	v, err := c.use(in.GetName(), kmspb.CryptoKey_MAC)
	if err != nil {
		return nil, err
	}
	out := &kmspb.MacVerifyResponse{Name: v.name, ProtectionLevel: v.key.level}
	if out.VerifiedDataCrc32C, err = checksum("data", in.GetData(), in.GetDataCrc32C()); err != nil {
		return nil, err
	}
	if out.VerifiedMacCrc32C, err = checksum("mac", in.GetMac(), in.GetMacCrc32C()); err != nil {
		return nil, err
	}
	if err := v.checkSize(mostMAC, in.GetData()); err != nil {
		return nil, err
	}
	if len(in.GetMac()) == 0 {
		return nil, refuse(codes.InvalidArgument, "mac is required")
	}
	out.Success = hmac.Equal(in.GetMac(), v.mac(in.GetData()))
	out.VerifiedSuccessIntegrity = out.GetSuccess()
	return out, nil
}

func (v *version) mac(data []byte) []byte {
	h := hmac.New(v.algorithm.hash.New, v.material.secret)
	h.Write(data)
	return h.Sum(nil)
}

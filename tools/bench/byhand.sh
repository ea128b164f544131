#!/usr/bin/env bash
# One AES key brought to AWS by hand, as a script of the tools that people have would: pkcs11-tool gives no parameters to a token's
# OAEP wrap, so the key is made on the host, put into the token, and wrapped on the host. No proof, no record, nothing to go on from.
#
# usage: byhand.sh MODULE PIN-FILE TOKEN-LABEL NAME ID ENDPOINT   (ID: hex digits; AWS_CA_BUNDLE and credentials in the environment)
set -euo pipefail
module=$1 pin_file=$2 label=$3 name=$4 id=$5 endpoint=$6
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
PIN=$(<"$pin_file") && export PIN
kms() { aws kms "$@" --endpoint-url "$endpoint" --region eu-central-1; }

openssl rand -out "$dir/material" 32
pkcs11-tool --module "$module" --token-label "$label" --login --pin env:PIN --write-object "$dir/material" --type secrkey \
  --key-type AES:32 --id "$id" --label "$name" --sensitive >"$dir/stored" 2>&1 || { cat "$dir/stored" >&2; exit 1; }
key=$(kms create-key --origin EXTERNAL --query KeyMetadata.KeyId --output text)
kms get-parameters-for-import --key-id "$key" --wrapping-algorithm RSAES_OAEP_SHA_256 --wrapping-key-spec RSA_2048 \
  --query '[PublicKey,ImportToken]' --output text >"$dir/parameters"
cut -f1 "$dir/parameters" | openssl base64 -d -A >"$dir/public.der"
cut -f2 "$dir/parameters" | openssl base64 -d -A >"$dir/token"
openssl pkeyutl -encrypt -pubin -keyform DER -inkey "$dir/public.der" -in "$dir/material" -out "$dir/wrapped" \
  -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256
kms import-key-material --key-id "$key" --encrypted-key-material "fileb://$dir/wrapped" --import-token "fileb://$dir/token" \
  --expiration-model KEY_MATERIAL_DOES_NOT_EXPIRE >"$dir/imported"
kms create-alias --alias-name "alias/$name" --target-key-id "$key"

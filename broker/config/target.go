package config

// The providers that a target can be at, in the words of the config and of commands.
const (
	AWS   = "aws"
	GCP   = "gcp"
	Azure = "azure"
)

func providers() []string { return []string{AWS, GCP, Azure} }

// Target is a configured place at a provider. It is one flat mapping for all of them;
// which keys belong to which provider is in the tag for.
type Target struct {
	Name        string `json:"name" need:"yes" match:"[a-z0-9][a-z0-9._-]{0,62}" words:"lower-case letters, digits, . _ and -" doc:"the name that commands use"`
	Provider    string `json:"provider" need:"yes" oneof:"aws gcp azure" doc:"whose service it is"`
	Environment string `json:"environment" need:"yes" match:"[a-z0-9][a-z0-9-]{0,31}" words:"lower-case letters, digits and -" doc:"must be the token's; production demands the provider's own endpoints"`

	Account         string     `json:"account,omitempty" for:"aws" need:"yes" match:"[0-9]{12}" words:"twelve digits, in quotes" doc:"the account keys are imported into; every answer must come from it"`
	Region          string     `json:"region,omitempty" for:"aws" need:"yes" match:"[a-z]{2,}(-[a-z]+)+-[0-9]+" words:"a region like eu-central-1" doc:"the region keys are imported into"`
	ReplicaOf       string     `json:"replica_of,omitempty" for:"aws" match:"[a-z0-9][a-z0-9._-]{0,62}" words:"lower-case letters, digits, . _ and -" doc:"the target with the primary keys, of the same account in another region: keys here are multi-Region replicas of them"`
	RoleARN         string     `json:"role_arn,omitempty" for:"aws" match:"arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+" words:"an ARN like arn:aws:iam::111122223333:role/keyferry" doc:"a role to assume"`
	ExternalID      string     `json:"external_id,omitempty" for:"aws" match:"[A-Za-z0-9+=,.@:/_-]{2,1000}" words:"2 to 1000 letters, digits and + = , . @ : / _ -" doc:"goes with the role"`
	ProofRoleARN    string     `json:"proof_role_arn,omitempty" for:"aws" match:"arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+" words:"an ARN like arn:aws:iam::111122223333:role/keyferry-proof" doc:"another role to assume for proofs, so that the importing one cannot use keys"`
	ProofExternalID string     `json:"proof_external_id,omitempty" for:"aws" match:"[A-Za-z0-9+=,.@:/_-]{2,1000}" words:"2 to 1000 letters, digits and + = , . @ : / _ -" doc:"goes with the proof role"`
	Profile         string     `json:"profile,omitempty" for:"aws" match:"[^\\s]{1,128}" words:"a name without spaces" doc:"of the SDK's shared credentials files"`
	KeyPolicy       *KeyPolicy `json:"key_policy,omitempty" for:"aws" doc:"the key policy sent with every key; the account's IAM policies decide if left out"`
	Consumer        string     `json:"consumer,omitempty" for:"aws" match:"[^{}]*\\{name\\}[^{}]*" words:"a text with {name} in it, like alias/{name}" doc:"the name consumers use; alias/{name} if left out"`
	Ed25519         bool       `json:"ed25519,omitempty" for:"aws" doc:"offer Ed25519 keys, which AWS does not list among what it takes"`

	Project          string `json:"project,omitempty" for:"gcp" need:"yes" match:"([a-z][a-z0-9.-]*:)?[a-z][a-z0-9-]{4,28}[a-z0-9]" words:"the id of a project (not its number), like my-project" doc:"the id of the project keys are imported into; every answer must come from it"`
	Location         string `json:"location,omitempty" for:"gcp" need:"yes" match:"[a-z][a-z0-9-]{1,62}" words:"a location like europe-west3" doc:"where the key ring is"`
	Ring             string `json:"ring,omitempty" for:"gcp" need:"yes" match:"[A-Za-z0-9_-]{1,63}" words:"1 to 63 letters, digits, _ and -" doc:"the key ring, which must be there"`
	Attestation      string `json:"attestation,omitempty" for:"gcp" oneof:"required" doc:"required refuses wrapping keys until their attestation can be checked; stored and shown as unchecked if left out"`
	SoleWriter       bool   `json:"sole_writer,omitempty" for:"gcp" doc:"your word that nobody else imports into this ring"`
	CredentialsFile  Path   `json:"credentials_file,omitempty" for:"gcp" doc:"a service account, an impersonated one, or workload identity federation; the application default credentials if left out"`
	Impersonate      string `json:"impersonate,omitempty" for:"gcp" match:"[a-zA-Z0-9._-]+@[a-zA-Z0-9.-]+" words:"the address of a service account" doc:"a service account that everything is done as"`
	ProofImpersonate string `json:"proof_impersonate,omitempty" for:"gcp" match:"[a-zA-Z0-9._-]+@[a-zA-Z0-9.-]+" words:"the address of a service account" doc:"another one that proofs are asked for as, so that the importing one cannot use keys"`
	QuotaProject     string `json:"quota_project,omitempty" for:"gcp" match:"([a-z][a-z0-9.-]*:)?[a-z][a-z0-9-]{4,28}[a-z0-9]" words:"the id of a project (not its number), like my-project" doc:"billed for quota; the one in the credentials if left out"`
	TokenEndpoint    string `json:"token_endpoint,omitempty" for:"gcp" match:"https?://[^/?#@\\s]+/?" words:"a URL of scheme, host and port" doc:"where tokens are asked for, of an emulator; Google's own if left out"`

	Tenant           string            `json:"tenant,omitempty" for:"azure" need:"yes" match:"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}" words:"a tenant id, in lower-case hex with hyphens" doc:"the tenant that the vault and the credentials belong to; a vault that names another is refused"`
	Vault            string            `json:"vault,omitempty" for:"azure" need:"yes" match:"https://[^/?#@\\s]+/?" words:"a URL like https://my-vault.vault.azure.net" doc:"the vault or Managed HSM keys are imported into"`
	Kind             string            `json:"kind,omitempty" for:"azure" oneof:"vault managed-hsm" doc:"what it is; vault if left out"`
	KEKValidFor      Duration          `json:"kek_valid_for,omitempty" for:"azure" doc:"life of the Key Exchange Keys that keyferry has made: 2d to 730d; 30d if left out"`
	Credentials      *AzureCredentials `json:"credentials,omitempty" for:"azure" doc:"who keyferry is; the SDK's default chain if left out"`
	ProofCredentials *AzureCredentials `json:"proof_credentials,omitempty" for:"azure" doc:"who asks for proofs, so that the importing identity cannot use keys; the same if left out"`
	Authority        string            `json:"authority,omitempty" for:"azure" match:"https://[^/?#@\\s]+/?" words:"a URL of https, host and port" doc:"where tokens are asked for, of an emulator; that of the vault's cloud if left out"`

	Endpoint    string `json:"endpoint,omitempty" for:"aws gcp" match:"https?://[^/?#@\\s]+/?" words:"a URL of scheme, host and port" doc:"FIPS, private link or an emulator; the provider's own if left out"`
	STSEndpoint string `json:"sts_endpoint,omitempty" for:"aws" match:"https?://[^/?#@\\s]+/?" words:"a URL of scheme, host and port" doc:"the same for STS"`
	CAFile      Path   `json:"ca_file,omitempty" doc:"PEM file with the only roots that are trusted; the system's if left out"`
	Proxy       string `json:"proxy,omitempty" match:"https?://[^/?#@\\s]+/?" words:"a URL like http://host:port, without a password" doc:"no proxy if left out, whatever the environment says"`

	Protection     string   `json:"protection,omitempty" for:"gcp azure" oneof:"hsm software" doc:"where keys are kept; software only where the policy says allow_software; hsm if left out"`
	KeyName        string   `json:"key_name,omitempty" for:"gcp azure" match:"[A-Za-z0-9_-]*\\{name\\}[A-Za-z0-9_-]*" words:"letters, digits, _ and - with {name} among them" doc:"the name keys get there; {name} if left out"`
	WrappingKey    string   `json:"wrapping_key,omitempty" oneof:"rsa-2048 rsa-3072 rsa-4096" doc:"the wrapping key to ask for, and the least to accept; rsa-4096 if left out"`
	DeletionWindow Duration `json:"deletion_window,omitempty" for:"aws gcp" doc:"waiting period before a key that was taken back is deleted: 7d to 30d at AWS, 1d to 120d at Google; 30d if left out"`
	Settle         Duration `json:"settle,omitempty" doc:"how long a change may take to show; the provider's usual time if left out"`
	Poll           Duration `json:"poll,omitempty" doc:"how often to look meanwhile"`
	Quotas         Quotas   `json:"quotas,omitempty" doc:"calls a second that the account may make there, by the name of a quota or call as keyferry target show has it, or all; the provider's usual ones if left out"`
}

// KeyPolicy is a key policy in JSON: in a file, or here.
type KeyPolicy struct {
	File   Path   `json:"file,omitempty" doc:"a JSON file; {account}, {partition} and {region} are filled in"`
	Inline string `json:"inline,omitempty" doc:"the JSON itself"`
}

// AzureCredentials say who keyferry is at Azure. No secret is in the config.
type AzureCredentials struct {
	Kind            string `json:"kind" need:"yes" oneof:"default managed-identity workload-identity certificate" doc:"where tokens come from"`
	ClientID        string `json:"client_id,omitempty" match:"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}" words:"a client id, in lower-case hex with hyphens" doc:"of the application or user-assigned identity"`
	CertificateFile Path   `json:"certificate_file,omitempty" doc:"PEM or PKCS #12 file with the certificate and its private key, which nobody else may read"`
	TokenFile       Path   `json:"token_file,omitempty" doc:"where the platform keeps the workload's token, and renews it"`
}

"""Every environment variable that says how a backend is reached: name, default, meaning.

Feeds `--help`. They are read where each backend's settings are (reconciler.backends), not by
hark.settings; a test holds this table equal to what is read there. The pages in docs/backends say
more of each.
"""

from hark.variable import Variable

BACKEND_VARIABLES = (
    Variable("AWS_SM_ENDPOINT", "", "Address of Secrets Manager, if not AWS's own."),
    Variable("AWS_SSM_ENDPOINT", "", "Address of Parameter Store, if not AWS's own."),
    Variable("AWS_STS_ENDPOINT", "", "Address of STS, which lends roles, if not AWS's own."),
    Variable("AWS_STS_ENDPOINT_TYPE", "regional", "legacy: the one global address of STS."),
    Variable("AWS_INTERMEDIATE_ROLE_ARN", "", "Role that is assumed before each spec.roleArn."),
    Variable("LOCALSTACK_SM_URL", "http://localhost:4566", "With LOCALSTACK: Secrets Manager."),
    Variable("LOCALSTACK_SSM_URL", "http://localhost:4566", "With LOCALSTACK: Parameter Store."),
    Variable("LOCALSTACK_STS_URL", "http://localhost:4566", "With LOCALSTACK: STS."),
    Variable("AZURE_ENVIRONMENT", "AzureCloud", "The cloud, such as AzureChinaCloud."),
    Variable("AZURE_AUTHORITY_HOST", "", "Where to log in; tells the cloud if that is not set."),
    Variable("AZURE_KEY_VAULT_DNS_SUFFIX", "", "What follows a vault's name, if not the cloud's."),
    Variable("AZURE_TENANT_ID", "", "Tenant of the application that reads."),
    Variable("AZURE_CLIENT_ID", "", "The application, or one of several managed identities."),
    Variable("AZURE_CLIENT_SECRET", "", "The application's secret."),
    Variable("AZURE_CLIENT_CERTIFICATE_PATH", "", "File of the application's certificate."),
    Variable("AZURE_CLIENT_CERTIFICATE_PASSWORD", "", "Password of that file, if it has one."),
    Variable("AZURE_FEDERATED_TOKEN_FILE", "", "File of the token of AKS workload identity."),
    Variable(
        "AZURE_ADDITIONALLY_ALLOWED_TENANTS",
        "",
        "Further tenants whose vaults may be read, separated by semicolons; * for all.",
    ),
    Variable(
        "HARK_GCP_SECRET_MANAGER_ENDPOINT",
        "",
        "Address of Google's Secret Manager, regional ones too, if not Google's own.",
    ),
    Variable("VAULT_ADDR", "http://127.0.0.1:8200", "Address of Vault."),
    Variable("VAULT_NAMESPACE", "", "Namespace of Vault Enterprise or OpenBao."),
    Variable("VAULT_CACERT", "", "File of the authorities to trust, and no others."),
    Variable("NODE_EXTRA_CA_CERTS", "", "File of authorities that Vault is trusted by besides."),
    Variable(
        "VAULT_SKIP_VERIFY",
        "",
        "Anything but 0, f, false and no: trust any certificate; only to try things.",
    ),
    Variable("VAULT_PREFIX", "", "Stands behind /v1 in every path."),
    Variable("VAULT_TOKEN", "", "This token, and no login."),
    Variable(
        "VAULT_TOKEN_RENEW_THRESHOLD",
        "",
        "Rest of a token's life, in seconds, at which it is renewed. Empty: a third of its life.",
    ),
    Variable("HARK_VAULT_AUTH", "kubernetes", "Way to log in: kubernetes, jwt or approle."),
    Variable(
        "HARK_VAULT_JWT_FILE",
        "",
        "File of the token to log in with. Empty: that of the ServiceAccount.",
    ),
    Variable("HARK_VAULT_ROLE_ID_FILE", "", "File of the AppRole's role id."),
    Variable("HARK_VAULT_SECRET_ID_FILE", "", "File of the AppRole's secret id."),
    Variable(
        "HARK_VAULT_REDIRECT_HOSTS",
        "",
        "Further hosts that redirects of a standby may lead to, separated by commas.",
    ),
    Variable(
        "HTTPS_PROXY",
        "",
        "Proxy to the clouds and to the API server; NO_PROXY names what goes without "
        "(docs/proxies.md).",
    ),
    Variable(
        "HTTP_PROXY",
        "",
        "Proxy to AWS, for the reconciler, and to Azure, if HTTPS_PROXY is not set.",
    ),
)

_OF_BACKENDS_ALONE = ("AWS_", "LOCALSTACK_", "HARK_GCP_", "AZURE_KEY_VAULT_")

LISTENER_REACHES = tuple(
    variable for variable in BACKEND_VARIABLES if not variable.name.startswith(_OF_BACKENDS_ALONE)
)
"""Those by which the listener logs in too: to Azure's queues, and to Vault for its metadata."""

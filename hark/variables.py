"""Every environment variable that hark.settings reads: name, default, meaning.

Feeds `--help`, where each half shows its own, and the docs; a test holds it equal to what is really
read. The names without HARK_ are those of kubernetes-external-secrets, so that its deployment's
environment goes on to work.
"""

from hark.sourcevariables import SOURCE_VARIABLES
from hark.variable import Variable

RECONCILER_VARIABLES = (
    Variable(
        "HARK_SWEEP_INTERVAL",
        "6h",
        "How often versions are compared for changes that no event announced (1s to 30d); of an "
        "object with a spec.sweepInterval that one counts.",
    ),
    Variable(
        "POLLER_INTERVAL_MILLISECONDS",
        "",
        "Sets the sweep interval where HARK_SWEEP_INTERVAL is not set.",
    ),
    Variable(
        "DISABLE_POLLING",
        "",
        "If present, even empty: no sweep, but of objects with a spec.sweepInterval. What was not "
        "announced is then never found.",
    ),
    Variable(
        "HARK_UNANNOUNCED_AFTER",
        "15m",
        "Advanced. How much later than the sweep an event may come (1s to 1d), before the change "
        "counts as announced by nobody.",
    ),
    Variable(
        "NAMING_PERMITTED_ANNOTATION",
        "externalsecrets.kubernetes-client.io/permitted-key-name",
        "Annotation of a namespace: a regular expression of the keys that it may read.",
    ),
    Variable(
        "ROLE_PERMITTED_ANNOTATION",
        "iam.amazonaws.com/permitted",
        "Annotation of a namespace: a regular expression of the roles that it may use.",
    ),
    Variable(
        "ENFORCE_NAMESPACE_ANNOTATIONS",
        "",
        "If present, even empty: a namespace without these annotations may read nothing.",
    ),
    Variable(
        "HARK_PERMITTED_FULL_MATCH",
        "false",
        "true: these expressions must match a whole key or role, not a part of it.",
    ),
    Variable(
        "HARK_CACHE_BYTES",
        "64Mi",
        "Memory for values that were read, to save reads (1Mi to 4Gi).",
    ),
    Variable(
        "HARK_REREAD_DELAYS",
        "1s,3s,8s,20s,35s,53s",
        "Advanced. Waits before a value is read again that is older than was announced.",
    ),
    Variable(
        "HARK_SCRIPTS",
        "",
        "Folder with lodash and js-yaml, which template expressions need. Empty: the package's own "
        "folder, else ~/.cache/hark/scripts (XDG_CACHE_HOME counts).",
    ),
    Variable(
        "HARK_ALLOW_SERVICE_ACCOUNT_TOKENS",
        "false",
        "true: Secrets of type kubernetes.io/service-account-token may be made. Kubernetes fills "
        "them with credentials of a ServiceAccount, which the manifest's author chooses.",
    ),
)
"""Of the reconciler alone."""

SHARED_VARIABLES = (
    Variable(
        "WATCHED_NAMESPACES",
        "",
        "Namespaces to serve, separated by commas. Empty: the whole cluster.",
    ),
    Variable(
        "INSTANCE_ID",
        "",
        "Serve only ExternalSecrets whose spec.controllerId is this.",
    ),
    Variable(
        "AWS_REGION",
        "",
        "Region of AWS secrets whose ExternalSecret names none.",
    ),
    Variable("AWS_DEFAULT_REGION", "", "The same, if AWS_REGION is not set."),
    Variable(
        "LOCALSTACK",
        "",
        "If not empty: an AWS emulator is used, and its region (AWS_REGION, else us-west-2) "
        "goes before spec.region.",
    ),
    Variable(
        "GOOGLE_CLOUD_PROJECT",
        "",
        "Project of Google secrets whose ExternalSecret names none; set it for both halves. Empty: "
        "the project of the reconciler's credentials.",
    ),
    Variable(
        "DEFAULT_VAULT_ROLE",
        "",
        "Role of the login to Vault where an ExternalSecret names none.",
    ),
    Variable(
        "DEFAULT_VAULT_MOUNT_POINT",
        "",
        "Mount of Vault's auth method where an ExternalSecret names none. Empty: kubernetes.",
    ),
    Variable(
        "KUBECONFIG",
        "",
        "The cluster. Not set: the one that this runs in, else ~/.kube/config.",
    ),
    Variable("KUBERNETES_SERVICE_HOST", "", "Set by Kubernetes: this runs in a pod."),
    Variable("HOME", "", "Where ~/.kube/config is looked for."),
    Variable(
        "POD_NAME",
        "HOSTNAME",
        "Name of this replica in the lease; it must differ between replicas.",
    ),
    Variable("HOSTNAME", "", "Stands for POD_NAME if that is not set."),
    Variable(
        "POD_NAMESPACE",
        "the pod's",
        "Namespace of the lease. Outside a pod: default.",
    ),
    Variable(
        "POD_UID",
        "",
        "The pod's metadata.uid, by which kubectl describe finds the Events of a failing source.",
    ),
    Variable(
        "HARK_LEADER_ELECTION",
        "true",
        "false: no lease; then never run two reconcilers.",
    ),
    Variable(
        "HARK_WORKERS",
        "8",
        "ExternalSecrets that are worked on at the same time (1 to 64).",
    ),
    Variable(
        "METRICS_PORT",
        "3001",
        "Port of /metrics, /healthz and /readyz; 0 takes a free one. `hark run` needs the next "
        "port too.",
    ),
    Variable("LOG_LEVEL", "info", "trace, debug, info, warn, error or fatal."),
    Variable("LOG_FORMAT", "auto", "json, human, or auto: human on a terminal."),
)
"""Of both halves."""

VARIABLES = (*SOURCE_VARIABLES, *RECONCILER_VARIABLES, *SHARED_VARIABLES)

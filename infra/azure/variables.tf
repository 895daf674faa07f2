variable "resource_group_name" {
  description = "Resource group of all that is made."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]$", var.resource_group_name))
    error_message = "Set resource_group_name to the name of a resource group that exists, not to its id."
  }
}

variable "location" {
  description = "Region of all that is made, such as westeurope. System topics must be where their vaults are."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]+$", var.location))
    error_message = "Set location to a region's short name, such as westeurope."
  }
}

variable "key_vaults" {
  description = "Resource ids of the vaults (which use Azure RBAC) by a name of your choice."
  type        = map(string)

  validation {
    condition     = length(var.key_vaults) > 0 && alltrue([for id in values(var.key_vaults) : can(regex("(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.KeyVault/vaults/[^/]+$", id))])
    error_message = "Give at least one of key_vaults, each as /subscriptions/S/resourceGroups/G/providers/Microsoft.KeyVault/vaults/V."
  }

  validation {
    condition     = alltrue([for name in keys(var.key_vaults) : can(regex("^[a-z][a-z0-9-]{0,23}$", name))])
    error_message = "The names in key_vaults are parts of other names: lower-case letters, digits and -, 24 at most, a letter first."
  }
}

variable "secrets" {
  description = "Names of the secrets that the reconciler may read, by the vault's name in key_vaults. A vault that is left out may be read as a whole."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = alltrue([for name in flatten(values(var.secrets)) : can(regex("^[A-Za-z0-9-]{1,127}$", name))])
    error_message = "A secret's name in secrets has letters, digits and - only."
  }
}

variable "storage_account_name" {
  description = "Name of the storage account to make, for the queue and the dead letters. It must be free in all of Azure."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{3,24}$", var.storage_account_name))
    error_message = "Set storage_account_name to 3 to 24 lower-case letters and digits."
  }
}

variable "replication" {
  description = "Replication of the storage account: LRS, ZRS, GRS or GZRS."
  type        = string
  default     = "ZRS"

  validation {
    condition     = contains(["LRS", "ZRS", "GRS", "GZRS"], var.replication)
    error_message = "Set replication to LRS, ZRS, GRS or GZRS."
  }
}

variable "oidc_issuer_url" {
  description = "The cluster's issuer: `az aks show --query oidcIssuerProfile.issuerUrl`."
  type        = string

  validation {
    condition     = can(regex("^https://[^ ?#]+$", var.oidc_issuer_url))
    error_message = "Set oidc_issuer_url to the https address of the cluster's issuer."
  }
}

variable "delivery" {
  description = "How the listener gets events: storage_queue, namespace_topic or webhook."
  type        = string
  default     = "storage_queue"

  validation {
    condition     = contains(["storage_queue", "namespace_topic", "webhook"], var.delivery)
    error_message = "Set delivery to storage_queue, namespace_topic or webhook."
  }
}

variable "webhook_url" {
  description = "webhook: public address of the listener's webhook, ending in /v1/eventgrid."
  type        = string
  default     = ""

  validation {
    condition     = var.webhook_url == "" || can(regex("^https://[^ ?#/]+/v1/eventgrid$", var.webhook_url))
    error_message = "Set webhook_url to https://HOST/v1/eventgrid."
  }
}

variable "webhook_audience" {
  description = "webhook: id of the Entra application that stands for the webhook; Event Grid must have its role AzureEventGridSecureWebhookSubscriber."
  type        = string
  default     = ""

  validation {
    condition     = var.webhook_audience == "" || can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.webhook_audience))
    error_message = "Set webhook_audience to the id of an application, in lower case."
  }
}

variable "name" {
  description = "Name of the queue or the subscription, and beginning of all other names. Use another one for each cluster."
  type        = string
  default     = "hark"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,23}$", var.name))
    error_message = "Set name to 3 to 24 lower-case letters and digits, beginning with a letter."
  }
}

variable "namespace" {
  description = "Kubernetes namespace that Hark runs in."
  type        = string
  default     = "hark-system"

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace))
    error_message = "Set namespace to the name of a Kubernetes namespace: lower-case letters, digits and -."
  }
}

variable "listener_service_account" {
  description = "Kubernetes ServiceAccount of the listener; a release named hark has hark-listener."
  type        = string
  default     = "hark-listener"

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", var.listener_service_account))
    error_message = "Set listener_service_account to the name of a Kubernetes ServiceAccount, without its namespace."
  }
}

variable "reconciler_service_account" {
  description = "Kubernetes ServiceAccount of the reconciler; a release named hark has hark-reconciler."
  type        = string
  default     = "hark-reconciler"

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", var.reconciler_service_account))
    error_message = "Set reconciler_service_account to the name of a Kubernetes ServiceAccount, without its namespace."
  }
}

variable "tags" {
  description = "Tags of all that can carry some."
  type        = map(string)
  default     = {}
}

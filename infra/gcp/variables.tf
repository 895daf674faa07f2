variable "project_id" {
  description = "Id of the project that the topic, the subscription and both service accounts are made in."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "Set project_id to a project's id, such as shop-prod: not its number, nor its display name."
  }
}

variable "secret_project_ids" {
  description = "Ids of the projects whose secrets Hark reads. Empty: project_id alone."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.secret_project_ids : can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", id))])
    error_message = "Each of secret_project_ids must be a project's id, such as shop-prod: not its number, nor its display name."
  }
}

variable "secret_prefix" {
  description = "Beginning of the names of the secrets that Hark may read, such as prod-. Empty: all of the projects."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{0,255}$", var.secret_prefix))
    error_message = "A secret's name, and so secret_prefix, has letters, digits, - and _ only."
  }
}

variable "name" {
  description = "Name of the topic and the subscription, and beginning of all other names. Use another one for each cluster."
  type        = string
  default     = "hark"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,17}$", var.name)) && !startswith(var.name, "goog")
    error_message = "Set name to 3 to 18 lower-case letters, digits and -, beginning with a letter, but not with goog: a service account's name, which is this with -reconciler behind it, has 30 at most."
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

variable "workload_identity_pool" {
  description = "Workload identity pool of the cluster. Empty: PROJECT.svc.id.goog of project_id, which is right where the cluster is in that project."
  type        = string
  default     = ""

  validation {
    condition     = var.workload_identity_pool == "" || can(regex("^[a-z0-9.:-]+\\.svc\\.id\\.goog$", var.workload_identity_pool))
    error_message = "Set workload_identity_pool to PROJECT.svc.id.goog, PROJECT being the id of the cluster's project."
  }
}

variable "version_metadata" {
  description = "Let the reconciler look at versions without reading them. Without it a sweep reads values."
  type        = bool
  default     = true
}

variable "audit_log_sink" {
  description = "Also send the audit log's entries on secrets to the topic: for secrets that cannot carry topics."
  type        = bool
  default     = false
}

variable "message_retention_seconds" {
  description = "How long the subscription keeps what was not acknowledged, and the dead letters are kept."
  type        = number
  default     = 604800

  validation {
    condition     = var.message_retention_seconds >= 600 && var.message_retention_seconds <= 2678400
    error_message = "Pub/Sub keeps messages for 600 to 2678400 seconds (10 minutes to 31 days)."
  }
}

variable "max_delivery_attempts" {
  description = "After how many deliveries a message that nobody can read becomes a dead letter."
  type        = number
  default     = 10

  validation {
    condition     = var.max_delivery_attempts >= 5 && var.max_delivery_attempts <= 100
    error_message = "Pub/Sub allows 5 to 100 delivery attempts."
  }
}

variable "kms_key_name" {
  description = "Full name of a Cloud KMS key to encrypt both topics with. Pub/Sub's own account must be allowed to use it. Empty: Google's key."
  type        = string
  default     = ""

  validation {
    condition     = var.kms_key_name == "" || can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key_name))
    error_message = "Set kms_key_name to projects/P/locations/L/keyRings/R/cryptoKeys/K."
  }
}

variable "labels" {
  description = "Labels of the topics and the subscriptions."
  type        = map(string)
  default     = {}
}

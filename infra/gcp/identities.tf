# Two identities: the listener may take messages, the reconciler may read secrets.

locals {
  pool          = var.workload_identity_pool == "" ? "${var.project_id}.svc.id.goog" : var.workload_identity_pool
  kubernetes_as = "serviceAccount:${local.pool}[${var.namespace}"

  # Cut behind "/secrets/", so that it holds for regional secrets too, and for versions.
  prefix_condition = "resource.name.extract(\"/secrets/{name}\").startsWith(\"${var.secret_prefix}\")"
  metadata_readers = var.version_metadata ? local.secret_projects : toset([])
}

resource "google_service_account" "listener" {
  project      = var.project_id
  account_id   = "${var.name}-listener"
  display_name = "Hark's listener: hears that secrets changed, reads none"
}

resource "google_service_account" "reconciler" {
  project      = var.project_id
  account_id   = "${var.name}-reconciler"
  display_name = "Hark's reconciler: reads secrets"
}

resource "google_service_account_iam_member" "listener_runs_in_kubernetes" {
  service_account_id = google_service_account.listener.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "${local.kubernetes_as}/${var.listener_service_account}]"
}

resource "google_service_account_iam_member" "reconciler_runs_in_kubernetes" {
  service_account_id = google_service_account.reconciler.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "${local.kubernetes_as}/${var.reconciler_service_account}]"
}

resource "google_pubsub_subscription_iam_member" "listener_takes_messages" {
  project      = var.project_id
  subscription = google_pubsub_subscription.events.name
  role         = "roles/pubsub.subscriber"
  member       = google_service_account.listener.member
}

resource "google_project_iam_member" "reconciler_reads_values" {
  for_each = local.secret_projects

  project = each.value
  role    = "roles/secretmanager.secretAccessor"
  member  = google_service_account.reconciler.member

  dynamic "condition" {
    for_each = var.secret_prefix == "" ? [] : [local.prefix_condition]

    content {
      title      = "hark-secret-prefix"
      expression = condition.value
    }
  }
}

resource "google_project_iam_member" "reconciler_looks_at_versions" {
  for_each = local.metadata_readers

  project = each.value
  role    = "roles/secretmanager.viewer"
  member  = google_service_account.reconciler.member

  dynamic "condition" {
    for_each = var.secret_prefix == "" ? [] : [local.prefix_condition]

    content {
      title      = "hark-secret-prefix"
      expression = condition.value
    }
  }
}

# What Secret Manager announces lands in a topic; the listener takes it from a subscription.

data "google_project" "own" {
  project_id = var.project_id
}

data "google_project" "secrets" {
  for_each   = local.secret_projects
  project_id = each.value
}

locals {
  secret_projects = toset(length(var.secret_project_ids) == 0 ? [var.project_id] : var.secret_project_ids)
  default_project = length(var.secret_project_ids) == 1 ? var.secret_project_ids[0] : var.project_id
  retention       = format("%ds", var.message_retention_seconds)
  kms_key         = var.kms_key_name == "" ? null : var.kms_key_name
  pubsub_agent    = "serviceAccount:service-${data.google_project.own.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic" "events" {
  project      = var.project_id
  name         = var.name
  kms_key_name = local.kms_key
  labels       = var.labels
}

resource "google_pubsub_topic" "dead" {
  project      = var.project_id
  name         = "${var.name}-dead"
  kms_key_name = local.kms_key
  labels       = var.labels
}

resource "google_pubsub_subscription" "events" {
  project                    = var.project_id
  name                       = var.name
  topic                      = google_pubsub_topic.events.id
  ack_deadline_seconds       = 30
  message_retention_duration = local.retention
  labels                     = var.labels

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead.id
    max_delivery_attempts = var.max_delivery_attempts
  }

  # Left out, Google deletes a subscription that nobody pulled from for 31 days.
  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "5s"
    maximum_backoff = "600s"
  }
}

# Without a subscription a dead letter would be gone at once.
resource "google_pubsub_subscription" "dead" {
  project                    = var.project_id
  name                       = "${var.name}-dead"
  topic                      = google_pubsub_topic.dead.id
  message_retention_duration = local.retention
  labels                     = var.labels

  expiration_policy {
    ttl = ""
  }
}

# Secret Manager's own account of each project publishes what it announces.
resource "google_pubsub_topic_iam_member" "secret_manager_publishes" {
  for_each = data.google_project.secrets

  project = var.project_id
  topic   = google_pubsub_topic.events.name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:service-${each.value.number}@gcp-sa-secretmanager.iam.gserviceaccount.com"
}

# Pub/Sub's own account moves dead letters: it takes them here and puts them there.
resource "google_pubsub_subscription_iam_member" "pubsub_takes_dead_letters" {
  project      = var.project_id
  subscription = google_pubsub_subscription.events.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

resource "google_pubsub_topic_iam_member" "pubsub_puts_dead_letters" {
  project = var.project_id
  topic   = google_pubsub_topic.dead.name
  role    = "roles/pubsub.publisher"
  member  = local.pubsub_agent
}

# For secrets that cannot carry topics: the Admin Activity log, which is always on and free.

locals {
  sinks = var.audit_log_sink ? local.secret_projects : toset([])
  heard = "AddSecretVersion|UpdateSecret|DeleteSecret|EnableSecretVersion|DisableSecretVersion|DestroySecretVersion"
}

resource "google_logging_project_sink" "secrets" {
  for_each = local.sinks

  project                = each.value
  name                   = var.name
  destination            = "pubsub.googleapis.com/${google_pubsub_topic.events.id}"
  filter                 = "protoPayload.serviceName=\"secretmanager.googleapis.com\" AND log_id(\"cloudaudit.googleapis.com/activity\") AND protoPayload.methodName=~\"(${local.heard})$\""
  unique_writer_identity = true
}

resource "google_pubsub_topic_iam_member" "audit_log_publishes" {
  for_each = google_logging_project_sink.secrets

  project = var.project_id
  topic   = google_pubsub_topic.events.name
  role    = "roles/pubsub.publisher"
  member  = each.value.writer_identity
}

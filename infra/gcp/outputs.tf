output "helm_values" {
  description = "Values of the chart that fit what was made, as YAML."

  value = yamlencode({
    sources     = { pubsub = { subscriptions = [google_pubsub_subscription.events.id] } }
    credentials = { gcp = { project = local.default_project } }
    listener = {
      serviceAccount = {
        name        = var.listener_service_account
        annotations = { "iam.gke.io/gcp-service-account" = google_service_account.listener.email }
      }
    }
    reconciler = {
      serviceAccount = {
        name        = var.reconciler_service_account
        annotations = { "iam.gke.io/gcp-service-account" = google_service_account.reconciler.email }
      }
    }
  })
}

output "topic" {
  description = "Full name of the topic that secrets announce their changes to."
  value       = google_pubsub_topic.events.id
}

output "subscription" {
  description = "Full name of the subscription that the listener takes messages from."
  value       = google_pubsub_subscription.events.id
}

output "dead_letter_subscription" {
  description = "Full name of the subscription that holds what nobody could read."
  value       = google_pubsub_subscription.dead.id
}

output "listener_email" {
  description = "Google service account of the listener."
  value       = google_service_account.listener.email
}

output "reconciler_email" {
  description = "Google service account of the reconciler."
  value       = google_service_account.reconciler.email
}

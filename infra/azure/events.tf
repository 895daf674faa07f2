# What vaults announce goes from their system topics to where the listener takes it.

locals {
  queued     = var.delivery == "storage_queue"
  namespaced = var.delivery == "namespace_topic"
  pushed     = var.delivery == "webhook"

  # azurerm's subscriptions know queues and webhooks; those to namespace topics are azapi's.
  own_subscriptions       = local.namespaced ? {} : var.key_vaults
  forwarded_subscriptions = local.namespaced ? var.key_vaults : {}

  event_types = [
    "Microsoft.KeyVault.SecretNewVersionCreated",
    "Microsoft.KeyVault.CertificateNewVersionCreated",
    "Microsoft.KeyVault.SecretExpired",
    "Microsoft.KeyVault.CertificateExpired",
  ]
}

data "azurerm_client_config" "current" {}

resource "azurerm_eventgrid_system_topic" "vault" {
  for_each = var.key_vaults

  name                = "${var.name}-${each.key}"
  resource_group_name = var.resource_group_name
  location            = var.location
  source_resource_id  = each.value
  topic_type          = "Microsoft.KeyVault.Vaults"
  tags                = var.tags

  identity {
    type = "SystemAssigned"
  }
}

resource "azurerm_eventgrid_system_topic_event_subscription" "vault" {
  for_each = local.own_subscriptions

  name                  = var.name
  system_topic          = azurerm_eventgrid_system_topic.vault[each.key].name
  resource_group_name   = var.resource_group_name
  event_delivery_schema = "CloudEventSchemaV1_0"
  included_event_types  = local.event_types

  dynamic "storage_queue_endpoint" {
    for_each = local.queued ? [var.name] : []

    content {
      storage_account_id = azurerm_storage_account.events.id
      queue_name         = storage_queue_endpoint.value
    }
  }

  # A webhook is called by Event Grid's own application; queues are by the topic's identity.
  dynamic "delivery_identity" {
    for_each = local.queued ? ["SystemAssigned"] : []

    content {
      type = delivery_identity.value
    }
  }

  dynamic "webhook_endpoint" {
    for_each = local.pushed ? [var.webhook_url] : []

    content {
      url                               = webhook_endpoint.value
      active_directory_tenant_id        = data.azurerm_client_config.current.tenant_id
      active_directory_app_id_or_uri    = var.webhook_audience
      max_events_per_batch              = 100
      preferred_batch_size_in_kilobytes = 64
    }
  }

  storage_blob_dead_letter_destination {
    storage_account_id          = azurerm_storage_account.events.id
    storage_blob_container_name = azurerm_storage_container.dead.name
  }

  dead_letter_identity {
    type = "SystemAssigned"
  }

  retry_policy {
    max_delivery_attempts = 30
    event_time_to_live    = 1440
  }

  lifecycle {
    precondition {
      condition     = !local.pushed || (var.webhook_url != "" && var.webhook_audience != "")
      error_message = "With delivery = webhook, set webhook_url and webhook_audience too."
    }
  }

  # Event Grid tries the rights when the subscription is made.
  depends_on = [
    azurerm_role_assignment.topic_puts_messages,
    azurerm_role_assignment.topic_puts_dead_letters,
    azurerm_storage_queue.events,
  ]
}

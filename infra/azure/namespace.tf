# delivery = namespace_topic: the system topics forward to a topic that the listener pulls from.

locals {
  namespaces = toset(local.namespaced ? [var.name] : [])
}

resource "azurerm_eventgrid_namespace" "events" {
  for_each = local.namespaces

  name                = "${var.name}-${var.storage_account_name}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  identity {
    type = "SystemAssigned"
  }
}

# azurerm does not tell the host that events are pulled from.
data "azapi_resource" "namespace" {
  for_each = local.namespaces

  type                   = "Microsoft.EventGrid/namespaces@2025-02-15"
  resource_id            = azurerm_eventgrid_namespace.events[each.key].id
  response_export_values = ["properties.topicsConfiguration.hostname"]
}

resource "azapi_resource" "topic" {
  for_each = local.namespaces

  type      = "Microsoft.EventGrid/namespaces/topics@2025-02-15"
  name      = "secrets"
  parent_id = azurerm_eventgrid_namespace.events[each.key].id

  body = {
    properties = {
      publisherType        = "Custom"
      inputSchema          = "CloudEventSchemaV1_0"
      eventRetentionInDays = 7
    }
  }
}

resource "azapi_resource" "queue" {
  for_each = local.namespaces

  type      = "Microsoft.EventGrid/namespaces/topics/eventSubscriptions@2025-02-15"
  name      = var.name
  parent_id = azapi_resource.topic[each.key].id

  body = {
    properties = {
      eventDeliverySchema = "CloudEventSchemaV1_0"
      deliveryConfiguration = {
        deliveryMode = "Queue"
        queue = {
          receiveLockDurationInSeconds = 60
          maxDeliveryCount             = 10
          eventTimeToLive              = "P7D"
          deadLetterDestinationWithResourceIdentity = {
            identity = { type = "SystemAssigned" }
            deadLetterDestination = {
              endpointType = "StorageBlob"
              properties = {
                resourceId        = azurerm_storage_account.events.id
                blobContainerName = azurerm_storage_container.dead.name
              }
            }
          }
        }
      }
    }
  }

  depends_on = [azurerm_role_assignment.namespace_puts_dead_letters]
}

resource "azapi_resource" "forward" {
  for_each = local.forwarded_subscriptions

  type      = "Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15"
  name      = var.name
  parent_id = azurerm_eventgrid_system_topic.vault[each.key].id

  body = {
    properties = {
      eventDeliverySchema = "CloudEventSchemaV1_0"
      filter              = { includedEventTypes = local.event_types }
      deliveryWithResourceIdentity = {
        identity = { type = "SystemAssigned" }
        destination = {
          endpointType = "NamespaceTopic"
          properties   = { resourceId = azapi_resource.topic[var.name].id }
        }
      }
      deadLetterWithResourceIdentity = {
        identity = { type = "SystemAssigned" }
        deadLetterDestination = {
          endpointType = "StorageBlob"
          properties = {
            resourceId        = azurerm_storage_account.events.id
            blobContainerName = azurerm_storage_container.dead.name
          }
        }
      }
    }
  }

  depends_on = [
    azurerm_role_assignment.topic_forwards,
    azurerm_role_assignment.topic_puts_dead_letters,
  ]
}

resource "azurerm_role_assignment" "topic_forwards" {
  for_each = local.forwarded_subscriptions

  scope                = azapi_resource.topic[var.name].id
  role_definition_name = "EventGrid Data Sender"
  principal_id         = azurerm_eventgrid_system_topic.vault[each.key].identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "namespace_puts_dead_letters" {
  for_each = local.namespaces

  scope                = local.dead_container
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_eventgrid_namespace.events[each.key].identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

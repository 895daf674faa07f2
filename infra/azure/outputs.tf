locals {
  account_annotation = "azure.workload.identity/client-id"
  vault_names        = [for id in values(var.key_vaults) : lower(reverse(split("/", id))[0])]

  sources = merge(
    local.queued ? { storageQueue = { urls = ["https://${azurerm_storage_account.events.name}.queue.core.windows.net/${var.name}"] } } : {},
    { for name in local.namespaces : "eventGrid" => { subscriptions = [local.pulled[name]] } },
    local.pushed ? { webhook = local.webhook } : {},
  )

  pulled = { for name in local.namespaces : name => "https://${data.azapi_resource.namespace[name].output.properties.topicsConfiguration.hostname}/topics/${azapi_resource.topic[name].name}/subscriptions/${azapi_resource.queue[name].name}" }

  webhook = {
    enabled  = true
    auth     = "entra"
    audience = var.webhook_audience
    tenant   = data.azurerm_client_config.current.tenant_id
    callers = [{
      # Event Grid's own application, the same in all tenants.
      application = "4962773b-9cdb-44cf-a8bf-237846a00ab7"
      announces   = [for name in local.vault_names : { backend = "azureKeyVault", keyVaultName = name }]
    }]
  }
}

output "helm_values" {
  description = "Values of the chart that fit what was made, as YAML."

  value = yamlencode({
    sources   = local.sources
    podLabels = { "azure.workload.identity/use" = "true" }
    listener = {
      env = local.pushed ? { HARK_WEBHOOK_EVENTGRID_SUBSCRIPTIONS = var.name } : {}
      serviceAccount = {
        name        = var.listener_service_account
        annotations = { (local.account_annotation) = azurerm_user_assigned_identity.listener.client_id }
      }
    }
    reconciler = {
      serviceAccount = {
        name        = var.reconciler_service_account
        annotations = { (local.account_annotation) = azurerm_user_assigned_identity.reconciler.client_id }
      }
    }
  })
}

output "listener_client_id" {
  description = "Client id of the listener's identity."
  value       = azurerm_user_assigned_identity.listener.client_id
}

output "reconciler_client_id" {
  description = "Client id of the reconciler's identity."
  value       = azurerm_user_assigned_identity.reconciler.client_id
}

output "dead_letter_container" {
  description = "Resource id of the container that holds what could not be delivered."
  value       = local.dead_container
}

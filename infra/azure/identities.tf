# Two identities: the listener may take messages, the reconciler may read secrets.

locals {
  subject = "system:serviceaccount:${var.namespace}"

  # Which role the listener needs where, by the way that events come.
  queue_roles = local.queued ? {
    (var.name)           = "Storage Queue Data Message Processor"
    "${var.name}-poison" = "Storage Queue Data Message Sender"
  } : {}

  # Whole vaults, or the single secrets that were named.
  readable = merge([for name, id in var.key_vaults : { for scope in try([for secret in var.secrets[name] : "${id}/secrets/${secret}"], [id]) : scope => scope }]...)
}

resource "azurerm_user_assigned_identity" "listener" {
  name                = "${var.name}-listener"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

resource "azurerm_user_assigned_identity" "reconciler" {
  name                = "${var.name}-reconciler"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

resource "azurerm_federated_identity_credential" "listener" {
  name                = "kubernetes"
  resource_group_name = var.resource_group_name
  parent_id           = azurerm_user_assigned_identity.listener.id
  issuer              = var.oidc_issuer_url
  subject             = "${local.subject}:${var.listener_service_account}"
  audience            = ["api://AzureADTokenExchange"]
}

resource "azurerm_federated_identity_credential" "reconciler" {
  name                = "kubernetes"
  resource_group_name = var.resource_group_name
  parent_id           = azurerm_user_assigned_identity.reconciler.id
  issuer              = var.oidc_issuer_url
  subject             = "${local.subject}:${var.reconciler_service_account}"
  audience            = ["api://AzureADTokenExchange"]
}

resource "azurerm_role_assignment" "listener_takes_messages" {
  for_each = local.queue_roles

  scope                = "${local.queues}/${azurerm_storage_queue.events[each.key].name}"
  role_definition_name = each.value
  principal_id         = azurerm_user_assigned_identity.listener.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "listener_pulls_events" {
  for_each = local.namespaces

  scope                = azapi_resource.queue[each.key].id
  role_definition_name = "EventGrid Data Receiver"
  principal_id         = azurerm_user_assigned_identity.listener.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "reconciler_reads_values" {
  for_each = local.readable

  scope                = each.value
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.reconciler.principal_id
  principal_type       = "ServicePrincipal"
}

# One account for the queue, for what nobody could read, and for what could not be delivered.

resource "azurerm_storage_account" "events" {
  #checkov:skip=CKV2_AZURE_1:messages name secrets and hold no values, so the key of Microsoft does
  #checkov:skip=CKV2_AZURE_33:a private endpoint belongs to a network that the module does not know
  #checkov:skip=CKV2_AZURE_38:what expires within days needs no protection from deletion
  #checkov:skip=CKV_AZURE_206:replication is a variable that has zones by default
  #checkov:skip=CKV_AZURE_33:logging by the classic service needs a key, and the account has none
  #checkov:skip=CKV_AZURE_59:Event Grid delivers from outside, where only an identity with a role gets in
  name                            = var.storage_account_name
  resource_group_name             = var.resource_group_name
  location                        = var.location
  account_tier                    = "Standard"
  account_replication_type        = var.replication
  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true
  allow_nested_items_to_be_public = false
  shared_access_key_enabled       = false
  local_user_enabled              = false
  tags                            = var.tags
}

resource "azurerm_storage_queue" "events" {
  for_each = toset(local.queued ? [var.name, "${var.name}-poison"] : [])

  name               = each.value
  storage_account_id = azurerm_storage_account.events.id
}

resource "azurerm_storage_container" "dead" {
  #checkov:skip=CKV2_AZURE_21:reads of dead letters are in the diagnostic settings of whoever wants them
  name                  = "${var.name}-dead"
  storage_account_id    = azurerm_storage_account.events.id
  container_access_type = "private"
}

locals {
  queues         = "${azurerm_storage_account.events.id}/queueServices/default/queues"
  dead_container = "${azurerm_storage_account.events.id}/blobServices/default/containers/${azurerm_storage_container.dead.name}"
}

resource "azurerm_role_assignment" "topic_puts_messages" {
  for_each = local.queued ? var.key_vaults : {}

  scope                = "${local.queues}/${azurerm_storage_queue.events[var.name].name}"
  role_definition_name = "Storage Queue Data Message Sender"
  principal_id         = azurerm_eventgrid_system_topic.vault[each.key].identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "topic_puts_dead_letters" {
  for_each = var.key_vaults

  scope                = local.dead_container
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_eventgrid_system_topic.vault[each.key].identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

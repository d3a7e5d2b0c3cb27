data "azurerm_client_config" "current" {}

resource "random_string" "suffix" {
  length  = 6
  special = false
  upper   = false
}

resource "azurerm_key_vault" "this" {
  name                       = "${var.name}-${random_string.suffix.result}"
  resource_group_name        = var.resource_group
  location                   = var.location
  tenant_id                  = data.azurerm_client_config.current.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
  purge_protection_enabled   = true
  soft_delete_retention_days = 30
  tags                       = var.tags
}

resource "azurerm_role_assignment" "operators" {
  for_each             = toset(var.operators)
  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Secrets Officer"
  principal_id         = each.value
}

# The password is in the Key Vault and in no state file: values of `_wo` arguments are not stored.
ephemeral "random_password" "database" {
  length  = 40
  special = false
}

resource "azurerm_key_vault_secret" "database" {
  name             = "database-password"
  key_vault_id     = azurerm_key_vault.this.id
  value_wo         = ephemeral.random_password.database.result
  value_wo_version = var.database_password_version
  content_type     = "text/plain"
  tags             = var.tags
  depends_on       = [azurerm_role_assignment.operators]
}

resource "azurerm_user_assigned_identity" "this" {
  name                = var.name
  resource_group_name = var.resource_group
  location            = var.location
  tags                = var.tags
}

resource "azurerm_role_assignment" "secrets" {
  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.this.principal_id
}

resource "azurerm_role_assignment" "image" {
  scope                = var.registry_id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_user_assigned_identity.this.principal_id
}

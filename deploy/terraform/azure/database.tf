resource "azurerm_private_dns_zone" "database" {
  name                = "${var.name}-${random_string.suffix.result}.private.postgres.database.azure.com"
  resource_group_name = var.resource_group
  tags                = var.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "database" {
  name                  = var.name
  resource_group_name   = var.resource_group
  private_dns_zone_name = azurerm_private_dns_zone.database.name
  virtual_network_id    = var.network_id
  tags                  = var.tags
}

resource "azurerm_postgresql_flexible_server" "this" {
  name                              = "${var.name}-${random_string.suffix.result}"
  resource_group_name               = var.resource_group
  location                          = var.location
  version                           = "16"
  sku_name                          = var.database_sku
  storage_mb                        = var.database_mb
  auto_grow_enabled                 = true
  delegated_subnet_id               = var.database_subnet_id
  private_dns_zone_id               = azurerm_private_dns_zone.database.id
  public_network_access_enabled     = false
  administrator_login               = "watchkeeper"
  administrator_password_wo         = ephemeral.random_password.database.result
  administrator_password_wo_version = var.database_password_version
  backup_retention_days             = 14
  tags                              = var.tags
  depends_on                        = [azurerm_private_dns_zone_virtual_network_link.database]

  high_availability {
    mode = "ZoneRedundant"
  }

  lifecycle {
    prevent_destroy = true
    ignore_changes  = [zone, high_availability[0].standby_availability_zone]
  }
}

resource "azurerm_postgresql_flexible_server_database" "this" {
  name      = "watchkeeper"
  server_id = azurerm_postgresql_flexible_server.this.id
  charset   = "UTF8"
  collation = "en_US.utf8"
}

output "address" {
  description = "Point the host name here."
  value       = azurerm_container_app.this.ingress[0].fqdn
}

output "key_vault" {
  description = "The Key Vault for further secrets."
  value       = azurerm_key_vault.this.id
}

output "storage_account" {
  description = "The storage account for files and backups."
  value       = azurerm_storage_account.files.name
}

output "database" {
  description = "Host of the database."
  value       = azurerm_postgresql_flexible_server.this.fqdn
}

locals {
  folder = "/run/watchkeeper"
  state  = "/var/lib/watchkeeper"

  store = join("", [
    "postgresql+psycopg://watchkeeper:$${file:${local.folder}/database-password}@",
    "${azurerm_postgresql_flexible_server.this.fqdn}:5432/watchkeeper",
    "?sslmode=verify-full&sslrootcert=${local.folder}/database-ca",
  ])

  # YAML accepts JSON strings, whatever is in them.
  configuration = join("\n", [
    "store: {url: ${jsonencode(local.store)}}",
    "web: ${jsonencode({
      listen          = "0.0.0.0:8080"
      public_url      = "https://${var.host_name}"
      first_access    = "token"
      allowed_proxies = var.proxy_networks
    })}",
    "log: {format: json}",
    var.configuration,
  ])

  secrets = merge({ database-password = azurerm_key_vault_secret.database.versionless_id }, var.secrets)
}

resource "azurerm_log_analytics_workspace" "this" {
  name                = var.name
  resource_group_name = var.resource_group
  location            = var.location
  sku                 = "PerGB2018"
  retention_in_days   = var.log_days
  tags                = var.tags
}

resource "azurerm_container_app_environment" "this" {
  name                           = var.name
  resource_group_name            = var.resource_group
  location                       = var.location
  log_analytics_workspace_id     = azurerm_log_analytics_workspace.this.id
  infrastructure_subnet_id       = var.apps_subnet_id
  internal_load_balancer_enabled = var.internal
  zone_redundancy_enabled        = true
  tags                           = var.tags

  workload_profile {
    name                  = "Consumption"
    workload_profile_type = "Consumption"
  }
}

resource "azurerm_container_app" "this" {
  name                         = var.name
  resource_group_name          = var.resource_group
  container_app_environment_id = azurerm_container_app_environment.this.id
  revision_mode                = "Single"
  workload_profile_name        = "Consumption"
  tags                         = var.tags
  depends_on = [
    azurerm_role_assignment.secrets,
    azurerm_role_assignment.image,
    azurerm_postgresql_flexible_server_database.this,
  ]

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.this.id]
  }

  registry {
    server   = split("/", var.image)[0]
    identity = azurerm_user_assigned_identity.this.id
  }

  # All secrets are files in `folder`, by their names.
  dynamic "secret" {
    for_each = local.secrets
    content {
      name                = secret.key
      key_vault_secret_id = secret.value
      identity            = azurerm_user_assigned_identity.this.id
    }
  }

  secret {
    name  = "configuration"
    value = local.configuration
  }

  secret {
    name  = "database-ca"
    value = var.database_ca
  }

  ingress {
    external_enabled           = true
    target_port                = 8080
    transport                  = "http"
    allow_insecure_connections = false

    traffic_weight {
      latest_revision = true
      percentage      = 100
    }

    dynamic "ip_security_restriction" {
      for_each = var.allowed_networks
      content {
        name             = "allowed-${ip_security_restriction.key}"
        action           = "Allow"
        ip_address_range = ip_security_restriction.value
      }
    }
  }

  template {
    min_replicas                     = var.replicas
    max_replicas                     = var.replicas
    termination_grace_period_seconds = 30

    volume {
      name         = "secrets"
      storage_type = "Secret"
    }

    volume {
      name         = "state"
      storage_type = "EmptyDir"
    }

    container {
      name   = "watchkeeper"
      image  = var.image
      cpu    = var.cpu
      memory = var.memory

      # Relative paths, such as that of the spool, are relative to the configuration: it lies where the daemon may write.
      command = ["/bin/sh", "-ec"]
      args    = ["umask 077; cp ${local.folder}/configuration ${local.state}/watchkeeper.yaml; exec watchkeeper run"]

      env {
        name  = "WATCHKEEPER_CONFIG"
        value = "${local.state}/watchkeeper.yaml"
      }

      volume_mounts {
        name = "secrets"
        path = local.folder
      }

      volume_mounts {
        name = "state"
        path = local.state
      }

      # The start may upgrade the store of an earlier version: ten minutes.
      startup_probe {
        transport               = "HTTP"
        port                    = 8080
        path                    = "/healthz"
        interval_seconds        = 60
        failure_count_threshold = 10
      }

      liveness_probe {
        transport               = "HTTP"
        port                    = 8080
        path                    = "/healthz"
        interval_seconds        = 30
        failure_count_threshold = 3
      }

      readiness_probe {
        transport               = "HTTP"
        port                    = 8080
        path                    = "/readyz"
        interval_seconds        = 10
        failure_count_threshold = 3
      }
    }
  }
}

variable "name" {
  description = "Prefix of the names of all resources."
  type        = string
  default     = "watchkeeper"
  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,11}$", var.name))
    error_message = "Use 3 to 12 lower-case letters and digits, and begin with a letter: names of storage accounts allow no more."
  }
}

variable "resource_group" {
  description = "An existing resource group."
  type        = string
}

variable "location" {
  description = "The region."
  type        = string
}

variable "image" {
  description = "The image, by digest: example.azurecr.io/watchkeeper@sha256:..."
  type        = string
  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Name the image by its digest."
  }
}

variable "registry_id" {
  description = "The resource id of the container registry that holds the image."
  type        = string
}

variable "configuration" {
  description = "watchkeeper.yaml without `store` and `web`. Refer to secrets as $${file:/run/watchkeeper/NAME}."
  type        = string
  default     = "notify: {console: true}\n"
}

variable "secrets" {
  description = "Ids of secrets in the module's Key Vault or another one, without their version, by the names of their files."
  type        = map(string)
  default     = {}
  validation {
    condition = alltrue([
      for name in keys(var.secrets) :
      can(regex("^[a-z][a-z0-9-]{0,61}[a-z0-9]$", name)) && !contains(["database-password", "configuration", "database-ca"], name)
    ])
    error_message = "Names are lower-case letters, digits and hyphens, and not one of the module's own files."
  }
}

variable "database_ca" {
  description = "The root certificates of Azure Database for PostgreSQL (PEM): DigiCert Global Root G2 and Microsoft RSA Root CA 2017."
  type        = string
}

variable "operators" {
  description = "Object ids of the people or pipelines that may write secrets into the module's Key Vault."
  type        = list(string)
}

variable "apps_subnet_id" {
  description = "A subnet of at least /27, delegated to Microsoft.App/environments, with a way out to the channels."
  type        = string
}

variable "database_subnet_id" {
  description = "A subnet that is delegated to Microsoft.DBforPostgreSQL/flexibleServers."
  type        = string
}

variable "network_id" {
  description = "The virtual network of both subnets."
  type        = string
}

variable "internal" {
  description = "Whether the pages have a private address only."
  type        = bool
  default     = true
}

variable "allowed_networks" {
  description = "Networks (CIDR) from which records are sent and pages are opened."
  type        = list(string)
  validation {
    condition     = length(var.allowed_networks) > 0
    error_message = "Name at least one network: without a rule, everyone is let in."
  }
}

variable "host_name" {
  description = "The host name of the pages, as people open them."
  type        = string
}

variable "proxy_networks" {
  description = "Networks (CIDR) of the ingress, whose X-Forwarded-For is trusted."
  type        = list(string)
  default     = ["100.100.0.0/16"]
}

variable "replicas" {
  description = "Number of replicas. One evaluates rules; another takes over when it stops."
  type        = number
  default     = 2
}

variable "cpu" {
  description = "Cores of a replica (see `watchkeeper size`)."
  type        = number
  default     = 2
}

variable "memory" {
  description = "Memory of a replica (see `watchkeeper size`); twice the number of cores, in Gi."
  type        = string
  default     = "4Gi"
}

variable "database_sku" {
  description = "Size of the database server."
  type        = string
  default     = "GP_Standard_D2ds_v5"
}

variable "database_mb" {
  description = "Storage of the database in MB, one of Azure's steps (see `watchkeeper size`)."
  type        = number
  default     = 131072
}

variable "database_password_version" {
  description = "Increase it to make a new password."
  type        = number
  default     = 1
}

variable "log_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 90
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
}

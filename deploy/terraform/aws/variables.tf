variable "name" {
  description = "Prefix of the names of all resources."
  type        = string
  default     = "watchkeeper"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "Use 2 to 21 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "image" {
  description = "The image, by digest: 123456789012.dkr.ecr.eu-central-1.amazonaws.com/watchkeeper@sha256:..."
  type        = string
  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Name the image by its digest."
  }
}

variable "configuration" {
  description = "watchkeeper.yaml without `store` and `web`. Refer to secrets as $${file:/run/watchkeeper/NAME}."
  type        = string
  default     = "notify: {console: true}\n"
}

variable "secrets" {
  description = "ARNs of secrets in Secrets Manager by the names of their files in /run/watchkeeper."
  type        = map(string)
  default     = {}
  validation {
    condition = alltrue([
      for name in keys(var.secrets) :
      can(regex("^[a-z][a-z0-9_]{0,62}$", name)) && !contains(["database_password", "database_ca"], name)
    ])
    error_message = "Names are lower-case letters, digits and underscores, and not one of the module's own files."
  }
}

variable "secret_keys" {
  description = "ARNs of customer-managed KMS keys that encrypt `secrets`."
  type        = list(string)
  default     = []
}

variable "database_ca" {
  description = "Amazon's certificates for RDS in this region (PEM), from truststore.pki.rds.amazonaws.com."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "private_subnets" {
  description = "Subnets of the tasks and of the database, in two zones, with a way out to the channels."
  type        = list(string)
  validation {
    condition     = length(var.private_subnets) >= 2
    error_message = "RDS needs subnets in two zones."
  }
}

variable "load_balancer_subnets" {
  description = "Subnets of the load balancer, in two zones."
  type        = list(string)
}

variable "internal" {
  description = "Whether the load balancer has private addresses only."
  type        = bool
  default     = true
}

variable "allowed_networks" {
  description = "Networks (CIDR) from which records are sent and pages are opened."
  type        = list(string)
}

variable "certificate_arn" {
  description = "The certificate of the host name, in ACM."
  type        = string
}

variable "host_name" {
  description = "The host name of the pages, which you point at the load balancer."
  type        = string
}

variable "load_balancer_networks" {
  description = "Networks (CIDR) of the load balancer's subnets, whose X-Forwarded-For is trusted."
  type        = list(string)
}

variable "replicas" {
  description = "Number of tasks. One evaluates rules; another takes over when it stops."
  type        = number
  default     = 2
}

variable "cpu" {
  description = "CPU units of a task: 1024 are one core (see `watchkeeper size`)."
  type        = number
  default     = 2048
}

variable "memory" {
  description = "Memory of a task in MiB (see `watchkeeper size`)."
  type        = number
  default     = 4096
}

variable "database_class" {
  description = "Instance class of the database."
  type        = string
  default     = "db.m7g.large"
}

variable "database_gb" {
  description = "Storage of the database in GB (see `watchkeeper size`). It grows to four times as much."
  type        = number
  default     = 100
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

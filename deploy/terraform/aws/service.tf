data "aws_region" "current" {}

locals {
  folder = "/run/watchkeeper"

  # Relative paths, such as that of the spool, are relative to the configuration: it lies where the daemon may write.
  state = "/var/lib/watchkeeper"

  store = join("", [
    "postgresql+psycopg://watchkeeper:$${file:${local.folder}/database_password}@",
    "${aws_db_instance.this.endpoint}/watchkeeper?sslmode=verify-full&sslrootcert=${local.folder}/database_ca",
  ])

  # YAML accepts JSON strings, whatever is in them.
  configuration = join("\n", [
    "store: {url: ${jsonencode(local.store)}}",
    "web: ${jsonencode({
      listen          = "0.0.0.0:8080"
      public_url      = "https://${var.host_name}"
      first_access    = "token"
      allowed_proxies = var.load_balancer_networks
    })}",
    "log: {format: json}",
    var.configuration,
  ])

  secrets = merge({ database_password = aws_secretsmanager_secret.database.arn }, var.secrets)

  # ECS passes secrets in variables only. They are variables of the first container, which writes files and ends.
  write = join("\n", concat(
    ["umask 077"],
    [for name in sort(keys(local.secrets)) : "printenv SECRET_${name} | head -c -1 > ${local.folder}/${name}"],
    ["printenv FILE_database_ca | base64 -d > ${local.folder}/database_ca"],
    ["printenv FILE_configuration | base64 -d > ${local.state}/watchkeeper.yaml"],
    ["chown -R 65532:65532 ${local.folder} ${local.state}", "chmod 1777 /tmp"],
  ))

  logs = {
    logDriver = "awslogs"
    options = {
      awslogs-group         = aws_cloudwatch_log_group.this.name
      awslogs-region        = data.aws_region.current.region
      awslogs-stream-prefix = "watchkeeper"
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name_prefix       = "/${var.name}/"
  retention_in_days = var.log_days
  tags              = var.tags
}

resource "aws_ecs_cluster" "this" {
  name = var.name
  tags = var.tags

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.start.arn
  task_role_arn            = aws_iam_role.task.arn
  tags                     = var.tags

  volume {
    name = "secrets"
  }

  volume {
    name = "state"
  }

  volume {
    name = "tmp"
  }

  container_definitions = jsonencode([
    {
      name             = "secrets"
      image            = var.image
      essential        = false
      user             = "0"
      entryPoint       = ["/bin/bash", "-eo", "pipefail", "-c"]
      command          = [local.write]
      secrets          = [for name, arn in local.secrets : { name = "SECRET_${name}", valueFrom = arn }]
      logConfiguration = local.logs
      environment = [
        { name = "FILE_configuration", value = base64encode(local.configuration) },
        { name = "FILE_database_ca", value = base64encode(var.database_ca) },
      ]
      mountPoints = [
        { sourceVolume = "secrets", containerPath = local.folder },
        { sourceVolume = "state", containerPath = local.state },
        { sourceVolume = "tmp", containerPath = "/tmp" },
      ]
    },
    {
      name                   = "watchkeeper"
      image                  = var.image
      essential              = true
      user                   = "65532:65532"
      readonlyRootFilesystem = true
      stopTimeout            = 30
      dependsOn              = [{ containerName = "secrets", condition = "SUCCESS" }]
      portMappings           = [{ containerPort = 8080, protocol = "tcp" }]
      environment            = [{ name = "WATCHKEEPER_CONFIG", value = "${local.state}/watchkeeper.yaml" }]
      linuxParameters        = { capabilities = { drop = ["ALL"] }, initProcessEnabled = true }
      logConfiguration       = local.logs
      healthCheck = {
        command     = ["CMD", "health"]
        interval    = 30
        timeout     = 5
        retries     = 3
        startPeriod = 300
      }
      mountPoints = [
        { sourceVolume = "secrets", containerPath = local.folder, readOnly = true },
        { sourceVolume = "state", containerPath = local.state },
        { sourceVolume = "tmp", containerPath = "/tmp" },
      ]
    },
  ])
}

resource "aws_ecs_service" "this" {
  name                              = var.name
  cluster                           = aws_ecs_cluster.this.id
  task_definition                   = aws_ecs_task_definition.this.arn
  desired_count                     = var.replicas
  launch_type                       = "FARGATE"
  health_check_grace_period_seconds = 600
  propagate_tags                    = "SERVICE"
  tags                              = var.tags

  network_configuration {
    subnets          = var.private_subnets
    security_groups  = [aws_security_group.task.id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = "watchkeeper"
    container_port   = 8080
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  depends_on = [aws_lb_listener.https, aws_secretsmanager_secret_version.database]
}

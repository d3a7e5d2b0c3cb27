output "load_balancer" {
  description = "Point the host name here."
  value       = aws_lb.this.dns_name
}

output "bucket" {
  description = "The bucket for files and backups."
  value       = aws_s3_bucket.files.bucket
}

output "database" {
  description = "Host and port of the database."
  value       = aws_db_instance.this.endpoint
}
